package api

import (
	"pop.store/credits/internal/ledger"
	"pop.store/credits/internal/results"
)

type resultJSON struct {
	ID       string  `json:"id"`
	At       *string `json:"at"`
	Charge   *string `json:"charge"`
	Agent    *string `json:"agent"`
	Kind     string  `json:"kind"`
	Count    int64   `json:"count"`
	Money    *string `json:"money"`
	Currency *string `json:"currency"`
}

func resultAnswer(r *results.Result) resultJSON {
	j := resultJSON{
		ID:       r.ID.String(),
		At:       formatTime(r.At),
		Agent:    nullIfEmpty(r.Agent),
		Kind:     r.Kind,
		Count:    r.Count,
		Currency: nullIfEmpty(r.Money.Currency),
	}
	if r.Charge != 0 {
		charge := ledger.EntryID(r.AccountID, r.Charge)
		j.Charge = &charge
	}
	if r.Money.Currency != "" {
		amount := r.Money.Decimal()
		j.Money = &amount
	}
	return j
}

type resultBody struct {
	Charge   string `json:"charge"   max:"64"`
	Agent    string `json:"agent"    max:"64"`
	Kind     string `json:"kind"     max:"64"`
	Count    *int64 `json:"count"`
	Money    string `json:"money"    max:"32"`
	Currency string `json:"currency" max:"3"`
}

func (h *Handlers) postResult(req *keyedRequest[resultBody]) (any, bool, error) {
	r, replayed, err := h.Results.Add(req.Request().Context(), req.id, req.key, results.Report(req.body))
	if err != nil {
		return nil, false, err
	}
	return resultAnswer(&r), replayed, nil
}
