package api_test

import (
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"pop.store/credits/handlers/handlerstest"
	"pop.store/credits/internal/catalog"
	"pop.store/credits/internal/clock"
)

func TestLotsComeInBurnOrder(t *testing.T) {
	t.Parallel()
	s := handlerstest.New(t)
	s.Open("maya", "starter")
	for _, body := range []string{
		`{"amount":"1","kind":"promo","reason":"never expires"}`,
		`{"amount":"2","kind":"promo","reason":"soon","expires_at":"2026-11-23T00:00:00Z"}`,
		`{"amount":"3","kind":"adjustment","reason":"later","expires_at":"2027-11-23T00:00:00Z"}`,
	} {
		s.Post("/v1/accounts/maya/grants", body).Want(http.StatusCreated)
	}
	s.BuyAndPay("maya", "pack_100")
	s.Charge("maya", `{"feature":"auto_selling","amount":"0.5"}`)
	var got []string
	for _, l := range s.Call("GET", "/v1/accounts/maya/lots", "").Want(http.StatusOK).List("lots") {
		expires, _ := l["expires_at"].(string)
		got = append(got, l["kind"].(string)+" "+l["remaining"].(string)+"/"+l["amount"].(string)+" "+expires)
		if l["held"] != "0" || l["frozen"] != false || l["effective_at"] != "2026-11-22T14:02:00Z" ||
			!strings.HasPrefix(l["id"].(string), "txn_") {
			t.Errorf("lot %v", l)
		}
	}
	want := []string{
		"promo 1.5/2 2026-11-23T00:00:00Z", "plan 200/200 2026-12-22T14:02:00Z",
		"adjustment 3/3 2027-11-23T00:00:00Z", "promo 1/1 ", "purchase 100/100 ",
	}
	if !slices.Equal(got, want) {
		t.Errorf("lots are\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	s.Clock.Set(handlerstest.Start.AddDate(0, 0, 1))
	first := s.Call("GET", "/v1/accounts/maya/lots", "").List("lots")[0]
	if first["kind"] != "plan" {
		t.Errorf("after its expiry the first lot is %v", first)
	}
}

func TestTransactionsPage(t *testing.T) {
	t.Parallel()
	s := handlerstest.New(t)
	handlerstest.ChargeInTurn(s, 11)
	for _, size := range []int{1, 4, 6, 12} {
		var seqs []int
		cursor, pages := "", 0
		for {
			a := s.Call("GET", "/v1/accounts/maya/transactions?limit="+strconv.Itoa(size)+"&cursor="+
				url.QueryEscape(cursor), "").Want(http.StatusOK)
			list := a.List("transactions")
			for _, e := range list {
				seqs = append(seqs, int(e["seq"].(float64)))
			}
			next, more := a.At("next_cursor").(string)
			if pages++; !more {
				break
			}
			if len(list) != size || pages > 20 {
				t.Fatalf("a page of %d, pages %d", len(list), pages)
			}
			// New entries do not shift the pages.
			if cursor == "" {
				s.Charge("maya", `{"feature":"comment_to_dm"}`)
			}
			cursor = next
		}
		total := s.Count("select count(*) from entries")
		if newest := seqs[0]; len(seqs) != newest || seqs[len(seqs)-1] != 1 || newest < total-1 {
			t.Errorf("pages of %d give %v of %d", size, seqs, total)
		}
		for i := 1; i < len(seqs); i++ {
			if seqs[i] != seqs[i-1]-1 {
				t.Errorf("pages of %d: %v", size, seqs)
			}
		}
	}
}

func TestTransactionFilters(t *testing.T) {
	t.Parallel()
	s := handlerstest.New(t)
	handlerstest.ChargeInTurn(s, 6)
	s.Grant("maya", "5")
	for query, want := range map[string]int{
		"":                                 8,
		"kind=charge":                      6,
		"kind=grant":                       2,
		"kind=refund":                      0,
		"feature=lip_sync":                 4,
		"agent=scout":                      2,
		"feature=lip_sync&agent=studio":    2,
		"kind=grant&agent=studio":          0,
		"from=2026-11-22T14:03:00Z":        7,
		"from=2026-11-22T15:03:00%2B01:00": 7,
		"to=2026-11-22T14:03:00Z":          1,
		"from=2026-11-22T14:04:00Z&to=2026-11-22T14:06:00Z": 2,
		"from=2030-01-01T00:00:00Z":                         0,
	} {
		list := s.Call("GET", "/v1/accounts/maya/transactions?"+query, "").Want(http.StatusOK).List("transactions")
		if len(list) != want {
			t.Errorf("%q gives %d, want %d", query, len(list), want)
		}
	}
	// The cursor keeps the filter.
	a := s.Call("GET", "/v1/accounts/maya/transactions?feature=lip_sync&limit=3", "")
	next, _ := a.At("next_cursor").(string)
	rest := s.Call("GET", "/v1/accounts/maya/transactions?feature=lip_sync&limit=3&cursor="+next, "")
	if len(a.List("transactions")) != 3 || len(rest.List("transactions")) != 1 || rest.At("next_cursor") != nil {
		t.Errorf("%s\n%s", a.Body, rest.Body)
	}
}

func TestTransactionsRefuse(t *testing.T) {
	t.Parallel()
	s := handlerstest.New(t)
	handlerstest.ChargeInTurn(s, 3)
	s.Open("noor", "starter")
	mine := s.Call("GET", "/v1/accounts/maya/transactions?limit=1", "").At("next_cursor").(string)
	for query, want := range map[string]struct {
		status int
		field  string
	}{
		"limit=0":                         {422, "limit"},
		"limit=-1":                        {422, "limit"},
		"limit=201":                       {422, "limit"},
		"limit=ten":                       {422, "limit"},
		"limit=1e1":                       {422, "limit"},
		"limit=99999999999999999999":      {422, "limit"},
		"cursor=x":                        {400, "cursor"},
		"cursor=txn_":                     {400, "cursor"},
		"cursor=" + strings.ToUpper(mine): {400, "cursor"},
		"cursor=" + mine + "0":            {400, "cursor"},
		"cursor=0":                        {400, "cursor"},
		"kind=spending":                   {422, "kind"},
		"kind=Charge":                     {422, "kind"},
		"feature=unheard_of":              {422, "feature"},
		"agent=Scout":                     {422, "agent"},
		"agent=%27+or+1%3D1+--":           {422, "agent"},
		"from=2026-11-22T14:06:00Z&to=2026-11-22T14:04:00Z": {422, "from"},
		"from=2026-11-22T14:06:00Z&to=2026-11-22T14:06:00Z": {422, "from"},
		"limit=1&limit=2":         {400, "limit"},
		"kind=charge&kind=":       {400, "kind"},
		"order=desc":              {400, "order"},
		"Limit=1":                 {400, "Limit"},
		"from=yesterday":          {422, "from"},
		"from=2026-11-22":         {422, "from"},
		"to=1e9":                  {422, "to"},
		"to=0001-01-01T00:00:00Z": {422, "to"},
		"feature=%00":             {400, ""},
		"agent=a%00b":             {400, ""},
		"agent=%ff":               {400, ""},
		"cursor=%00":              {400, ""},
		"kind=%zz":                {400, ""},
	} {
		s.Call("GET", "/v1/accounts/maya/transactions?"+query, "").WantProblem(want.status, "", want.field)
	}
	s.Call("GET", "/v1/accounts/noor/transactions?cursor="+mine, "").WantProblem(http.StatusBadRequest,
		"invalid_cursor", "cursor")
}

// The prices of the article, one by one.
func TestCatalog(t *testing.T) {
	t.Parallel()
	s := handlerstest.New(t)
	a := s.Call("GET", "/v1/catalog", "").Want(http.StatusOK)
	plans := map[string]string{}
	for _, p := range a.List("plans") {
		plans[p["id"].(string)] = p["name"].(string) + " " + p["allowance"].(string)
	}
	wantMap(t, plans, map[string]string{
		"starter": "Starter 200",
		"pro":     "Pro 400",
		"star":    "Star 1000",
	})
	prices := map[string]string{}
	for _, f := range a.List("features") {
		price, _ := f["price"].(string)
		prices[f["id"].(string)] = f["pricing"].(string) + " " + price
	}
	wantMap(t, prices, map[string]string{
		"image_generation":       "fixed 10",
		"photoshoot":             "fixed 10",
		"video_5s":               "fixed 30",
		"video_10s":              "fixed 50",
		"motion_reference_video": "fixed 55",
		"lip_sync":               "fixed 5",
		"voice_dubbing":          "fixed 5",
		"pdf_creation":           "fixed 75",
		"social_comment_reply":   "default 0.05",
		"comment_to_dm":          "default 0.05",
		"brand_deal_scan":        "default 0.1",
		"auto_selling":           "metered ",
	})
	counts := map[string]string{}
	for _, r := range a.List("plan_table") {
		var row []string
		for _, plan := range []string{"starter", "pro", "star"} {
			row = append(row, strconv.FormatFloat(handlerstest.At(r, "counts", plan).(float64), 'f', -1, 64))
		}
		counts[r["name"].(string)] = strings.Join(row, " ")
	}
	wantMap(t, counts, map[string]string{
		"AI Generated PDFs":        "2 5 13",
		"AI Photoshoots":           "20 40 100",
		"Social Comment Replies":   "4000 8000 20000",
		"Comment to DM Automation": "4000 8000 20000",
		"AI Generated Videos":      "10 20 50",
		"AI Voice Dubbing":         "40 80 200",
		"Brand Deal Scans":         "2000 4000 10000",
	})
	for _, p := range a.List("packs") {
		if minor, _ := handlerstest.At(p, "price", "minor").(float64); minor <= 0 ||
			handlerstest.At(p, "price", "currency") != "USD" ||
			p["tokens"] == "" {
			t.Errorf("pack %v", p)
		}
	}
	if len(a.List("packs")) != 3 || a.At("version") == "" {
		t.Errorf("%s", a.Body)
	}
}

// A catalog file may also have plan prices, links, and future prices, which take effect at their
// time.
func TestCatalogOfAFile(t *testing.T) {
	t.Parallel()
	prices, _, err := catalog.Parse("c.yaml", []byte(`version: v1
plans:
  - {id: free, name: Free, allowance: 10}
  - {id: pro, name: Pro, allowance: 100, price: 9.50, currency: EUR, url: /plan, changes: [{from: 2027-01-01T00:00:00Z, price: 12}]}
features:
  - {id: image, name: Image, one: image, many: images, pricing: fixed, price: 5}
`))
	if err != nil {
		t.Fatal(err)
	}
	now := clock.NewManual(time.Date(2026, 12, 31, 23, 59, 59, 0, time.UTC))
	s := handlerstest.NewWith(t, handlerstest.Options{Prices: catalog.NewSource(prices, now.Now).InForce})
	a := s.Call("GET", "/v1/catalog", "").Want(http.StatusOK)
	plans := a.List("plans")
	if plans[0]["price"] != nil || plans[0]["url"] != nil || plans[1]["url"] != "/plan" ||
		handlerstest.At(
			plans[1],
			"price",
			"minor",
		) != 950.0 || handlerstest.At(plans[1], "price", "currency") != "EUR" {
		t.Errorf("%v", plans)
	}
	if a.At("effective_from") != nil || a.At("next_change_at") != "2027-01-01T00:00:00Z" ||
		a.At("upgrade_rule") != "difference" ||
		a.At("low_percent") != 20.0 || a.At("refund_grace_days") != 30.0 || len(a.List("packs")) != 0 ||
		!strings.Contains(string(a.Body), `"packs":[]`) {
		t.Errorf("%s", a.Body)
	}
	now.Advance(time.Second)
	a = s.Call("GET", "/v1/catalog", "").Want(http.StatusOK)
	if handlerstest.At(a.List("plans")[1], "price", "minor") != 1200.0 ||
		a.At("effective_from") != "2027-01-01T00:00:00Z" ||
		a.At("next_change_at") != nil {
		t.Errorf("%s", a.Body)
	}
}

func wantMap(t *testing.T, got, want map[string]string) {
	t.Helper()
	for name, value := range want {
		if got[name] != value {
			t.Errorf("%s is %q, want %q", name, got[name], value)
		}
	}
	if len(got) != len(want) {
		t.Errorf("%d in all, want %d: %v", len(got), len(want), got)
	}
}

// The plan table on the page: one row per feature with its three counts.
func TestPlanTable(t *testing.T) {
	t.Parallel()
	s := handlerstest.New(t)
	s.Open("maya", "starter")
	got := map[string]string{}
	for _, row := range handlerstest.Marked(s.SignIn("maya").Get("/plans").Want(http.StatusOK).HTML(), "plan-row") {
		var cells []string
		name := ""
		for n := range row.ChildNodes() {
			switch n.Data {
			case "th":
				name = handlerstest.Text(n)
			case "td":
				cells = append(cells, handlerstest.Text(n))
			}
		}
		got[name] = strings.Join(cells, " | ")
	}
	wantMap(t, got, map[string]string{
		"AI Generated PDFs":        "2 | 5 | 13",
		"AI Photoshoots":           "20 | 40 | 100",
		"Social Comment Replies":   "about 4,000 | about 8,000 | about 20,000",
		"Comment to DM Automation": "about 4,000 | about 8,000 | about 20,000",
		"AI Generated Videos":      "10 | 20 | 50",
		"AI Voice Dubbing":         "40 | 80 | 200",
		"Brand Deal Scans":         "about 2,000 | about 4,000 | about 10,000",
	})
}
