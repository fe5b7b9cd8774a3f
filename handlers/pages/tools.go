package pages

import (
	"errors"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/google/uuid"

	"pop.store/credits/handlers/web"
	"pop.store/credits/internal/demo"
	"pop.store/credits/internal/ledger"
	"pop.store/credits/internal/problem"
	"pop.store/credits/internal/tokens"
	"pop.store/credits/views"
)

// Limits of the text in a tool's form: in characters, and in bytes when escaped, since the address
// must fit into the return path of a purchase.
const (
	maxToolText    = 100
	maxToolAddress = 360
)

// toolForm is the form of a sample job.
type toolForm struct {
	tool, text string
	fail       bool
}

func (h *Handlers) toolsPage(req *creatorRequest) error {
	asked := toolForm{
		tool: req.QueryParam("tool"),
		text: req.QueryParam("text"),
		fail: req.QueryParam("fail") == "1",
	}
	if textProblem(asked.text) != "" {
		asked.text = "" // an invalid text is ignored
	}
	m, err := h.toolsModel(req, asked)
	if err != nil {
		return err
	}
	return render(req, http.StatusOK, views.ToolsPage(m))
}

// toolsModel is the price list with the tokens left after each tool, and the form of the chosen
// tool.
func (h *Handlers) toolsModel(req *creatorRequest, asked toolForm) (views.ToolsModel, error) {
	available, behind, err := h.availableToTools(req)
	if err != nil {
		return views.ToolsModel{}, err
	}
	m := views.ToolsModel{
		Layout:    h.layout(req, views.NavTools),
		Available: available,
		Kept:      req.Spendable - available,
		Held:      req.Held,
		Runs:      h.Jobs != nil,
		Text:      asked.text,
		Fail:      asked.fail,
		Key:       uuid.NewString(),
		Job:       h.jobModel(req),
	}
	for _, f := range h.Prices().Features {
		if f.Agent || f.Price == 0 {
			continue
		}
		t := views.ToolModel{
			ID:    f.ID,
			Name:  f.Name,
			One:   f.One,
			Price: f.Price,
			Left:  m.Available - f.Price,
		}
		if t.Left < 0 {
			t.Short, t.Left = behind-t.Left, 0
		}
		if f.ID == asked.tool && m.Runs {
			t.BuyURL = web.BuyURL(t.Short, toolURL(asked))
			chosen := t
			m.Chosen, m.Draft = &chosen, req.ExternalID+":"+f.ID
		}
		m.Tools = append(m.Tools, t)
	}
	return m, nil
}

// availableToTools is what the creator's own tools may spend: everything except the agents'
// reserves. behind is the excess of the reserves over the balance: new tokens fill it first.
func (h *Handlers) availableToTools(req *creatorRequest) (available, behind tokens.Amount, err error) {
	if req.Reserved == 0 {
		return req.Spendable, 0, nil
	}
	for _, f := range h.Prices().Features {
		if f.Agent || f.Price == 0 {
			continue
		}
		q, err := h.Ledger.Quote(req.Request().Context(), req.ID, ledger.Charge{Feature: f.ID})
		if !q.Affordable {
			behind = q.Shortfall - (q.Amount - q.Spendable)
		}
		return min(q.Spendable, req.Spendable), behind, err
	}
	return req.Spendable, 0, nil
}

// toolURL is the address of a tool's form, filled in.
func toolURL(f toolForm) string {
	query := url.Values{"tool": {f.tool}}
	if f.text != "" {
		query.Set("text", f.text)
	}
	if f.fail {
		query.Set("fail", "1")
	}
	return "/tools?" + query.Encode()
}

// runTool starts a sample job. Without enough tokens it shows the form again, filled in.
func (h *Handlers) runTool(req *creatorRequest) error {
	form, err := formParams(req)
	if err != nil {
		return err
	}
	asked := toolForm{form.Get("tool"), strings.TrimSpace(form.Get("text")), form.Get("fail") == "1"}
	key := form.Get("key")
	if !web.ValidKey(key) {
		return web.ErrInvalidKey
	}
	if wrong := textProblem(asked.text); wrong != "" {
		return h.rejectToolForm(
			req,
			http.StatusUnprocessableEntity,
			asked,
			func(m *views.ToolsModel) { m.Problem = wrong },
		)
	}
	if f, ok := h.Prices().Feature(asked.tool); !ok || f.Agent || f.Price == 0 {
		return problem.New(problem.NotFound, "tool_not_found", "There is no such tool.")
	}
	err = h.Jobs.Start(req.Request().Context(), req.ID, key, demo.Work{
		Feature: asked.tool,
		Text:    asked.text,
		Fails:   asked.fail,
	})
	var refused *problem.Error
	if errors.As(err, &refused) && refused.Kind == problem.Insufficient {
		return h.rejectToolForm(req, http.StatusPaymentRequired, asked, func(m *views.ToolsModel) {
			m.Declined = true
		})
	}
	if err != nil {
		return err
	}
	return req.Redirect(http.StatusSeeOther, "/tools#job")
}

// rejectToolForm shows the form again with the current balance.
func (h *Handlers) rejectToolForm(
	req *creatorRequest, status int, asked toolForm, set func(*views.ToolsModel),
) error {
	overview, err := h.Notices.Overview(req.Request().Context(), req.ID)
	if err != nil {
		return err
	}
	req.Overview = overview
	m, err := h.toolsModel(req, asked)
	if err != nil {
		return err
	}
	if set(&m); m.Chosen != nil && m.Chosen.Short == 0 {
		m.Declined = false // tokens have arrived since
	}
	return render(req, status, views.ToolsPage(m))
}

// textProblem says why a text is invalid; empty if it is valid.
func textProblem(text string) string {
	switch {
	case text == "":
		return "Type what it should be about."
	case !web.IsText(text) || strings.ContainsFunc(text, func(r rune) bool {
		return r < ' ' || r == 0x7f || r == '\\'
	}):
		return "Use plain text, on one line and without backslashes."
	case len([]rune(text)) > maxToolText || len(url.QueryEscape(url.QueryEscape(text))) > maxToolAddress:
		return "That is too long for a sample. Use fewer words."
	}
	return ""
}

// toolJob answers the poll of a sample job. When the job has ended, it makes the badge poll
// immediately.
func (h *Handlers) toolJob(req *creatorRequest) error {
	m := h.jobModel(req)
	if m != nil && m.Every == 0 {
		req.Response().Header().Set("HX-Trigger", "credits-changed")
	}
	return render(req, http.StatusOK, views.JobPanel(m))
}

const (
	jobPoll  = time.Second
	jobShown = 10 * time.Minute // how long a finished job is shown
)

func (h *Handlers) jobModel(req *creatorRequest) *views.JobModel {
	if h.Jobs == nil {
		return nil
	}
	job, ok := h.Jobs.Newest(req.Request().Context(), req.ID)
	if !ok || req.now.Sub(job.EndsAt) > jobShown {
		return nil
	}
	m := &views.JobModel{
		ToolName: job.Feature,
		Text:     job.Text,
		Amount:   job.Amount,
		State:    views.JobState(job.State),
		Percent:  job.Percent(req.now),
	}
	if f, ok := h.Prices().Feature(job.Feature); ok {
		m.ToolName, m.Amount = f.Name, f.Price
	}
	if job.State == demo.JobRunning {
		m.Every = jobPoll
	}
	return m
}
