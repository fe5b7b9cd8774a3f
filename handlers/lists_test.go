package handlers_test

import (
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"pop.store/credits/internal/catalog"
	"pop.store/credits/internal/clock"
)

func TestLotsComeInBurnOrder(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.open("maya", "starter")
	for _, body := range []string{
		`{"amount":"1","kind":"promo","reason":"never expires"}`,
		`{"amount":"2","kind":"promo","reason":"soon","expires_at":"2026-11-23T00:00:00Z"}`,
		`{"amount":"3","kind":"adjustment","reason":"later","expires_at":"2027-11-23T00:00:00Z"}`,
	} {
		s.post("/v1/accounts/maya/grants", body).want(http.StatusCreated)
	}
	s.buyAndPay("maya", "pack_100")
	s.charge("maya", `{"feature":"auto_selling","amount":"0.5"}`)
	var got []string
	for _, l := range s.call("GET", "/v1/accounts/maya/lots", "").want(http.StatusOK).list("lots") {
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
	s.clock.Set(start.AddDate(0, 0, 1))
	first := s.call("GET", "/v1/accounts/maya/lots", "").list("lots")[0]
	if first["kind"] != "plan" {
		t.Errorf("after its expiry the first lot is %v", first)
	}
}

// A history of known contents: the allowance, then charges a minute apart.
func history(s *site, charges int) {
	s.t.Helper()
	s.open("maya", "starter")
	for i := range charges {
		s.clock.Advance(60e9)
		s.charge("maya", []string{
			`{"feature":"lip_sync","agent":"studio"}`, `{"feature":"brand_deal_scan","agent":"scout"}`,
			`{"feature":"lip_sync"}`,
		}[i%3])
	}
}

func TestTransactionsPage(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	history(s, 11)
	for _, size := range []int{1, 4, 6, 12} {
		var seqs []int
		cursor, pages := "", 0
		for {
			a := s.call("GET", "/v1/accounts/maya/transactions?limit="+strconv.Itoa(size)+"&cursor="+
				escape(cursor), "").want(http.StatusOK)
			list := a.list("transactions")
			for _, e := range list {
				seqs = append(seqs, int(e["seq"].(float64)))
			}
			next, more := a.at("next_cursor").(string)
			if pages++; !more {
				break
			}
			if len(list) != size || pages > 20 {
				t.Fatalf("a page of %d, pages %d", len(list), pages)
			}
			// What comes in meanwhile shifts nothing.
			if cursor == "" {
				s.charge("maya", `{"feature":"comment_to_dm"}`)
			}
			cursor = next
		}
		total := s.count("select count(*) from entries")
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
	s := newSite(t)
	history(s, 6)
	s.grant("maya", "5")
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
		list := s.call("GET", "/v1/accounts/maya/transactions?"+query, "").want(http.StatusOK).list("transactions")
		if len(list) != want {
			t.Errorf("%q gives %d, want %d", query, len(list), want)
		}
	}
	// A filter goes on over the pages.
	a := s.call("GET", "/v1/accounts/maya/transactions?feature=lip_sync&limit=3", "")
	next, _ := a.at("next_cursor").(string)
	rest := s.call("GET", "/v1/accounts/maya/transactions?feature=lip_sync&limit=3&cursor="+next, "")
	if len(a.list("transactions")) != 3 || len(rest.list("transactions")) != 1 || rest.at("next_cursor") != nil {
		t.Errorf("%s\n%s", a.body, rest.body)
	}
}

func TestTransactionsRefuse(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	history(s, 3)
	s.open("noor", "starter")
	mine := s.call("GET", "/v1/accounts/maya/transactions?limit=1", "").at("next_cursor").(string)
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
		s.call("GET", "/v1/accounts/maya/transactions?"+query, "").problem(want.status, "", want.field)
	}
	s.call("GET", "/v1/accounts/noor/transactions?cursor="+mine, "").problem(http.StatusBadRequest,
		"invalid_cursor", "cursor")
}

// The numbers of the article, one by one.
func TestCatalog(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	a := s.call("GET", "/v1/catalog", "").want(http.StatusOK)
	plans := map[string]string{}
	for _, p := range a.list("plans") {
		plans[p["id"].(string)] = p["name"].(string) + " " + p["allowance"].(string)
	}
	wantMap(t, plans, map[string]string{
		"starter": "Starter 200",
		"pro":     "Pro 400",
		"star":    "Star 1000",
	})
	prices := map[string]string{}
	for _, f := range a.list("features") {
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
	for _, r := range a.list("plan_table") {
		var row []string
		for _, plan := range []string{"starter", "pro", "star"} {
			row = append(row, strconv.FormatFloat(at(r, "counts", plan).(float64), 'f', -1, 64))
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
	for _, p := range a.list("packs") {
		if minor, _ := at(p, "price", "minor").(float64); minor <= 0 || at(p, "price", "currency") != "USD" ||
			p["tokens"] == "" {
			t.Errorf("pack %v", p)
		}
	}
	if len(a.list("packs")) != 3 || a.at("version") == "" {
		t.Errorf("%s", a.body)
	}
}

// What a catalog file can say beyond the built-in one: plan prices, links, and prices to come,
// which take effect at their time.
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
	s := newSiteWith(t, options{prices: catalog.NewSource(prices, now.Now).InForce})
	a := s.call("GET", "/v1/catalog", "").want(http.StatusOK)
	plans := a.list("plans")
	if plans[0]["price"] != nil || plans[0]["url"] != nil || plans[1]["url"] != "/plan" ||
		at(plans[1], "price", "minor") != 950.0 || at(plans[1], "price", "currency") != "EUR" {
		t.Errorf("%v", plans)
	}
	if a.at("effective_from") != nil || a.at("next_change_at") != "2027-01-01T00:00:00Z" ||
		a.at("upgrade_rule") != "difference" ||
		a.at("low_percent") != 20.0 || a.at("refund_grace_days") != 30.0 || len(a.list("packs")) != 0 ||
		!strings.Contains(string(a.body), `"packs":[]`) {
		t.Errorf("%s", a.body)
	}
	now.Advance(time.Second)
	a = s.call("GET", "/v1/catalog", "").want(http.StatusOK)
	if at(a.list("plans")[1], "price", "minor") != 1200.0 || a.at("effective_from") != "2027-01-01T00:00:00Z" ||
		a.at("next_change_at") != nil {
		t.Errorf("%s", a.body)
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
	s := newSite(t)
	s.open("maya", "starter")
	got := map[string]string{}
	for _, row := range marked(s.signIn("maya").get("/plans").want(http.StatusOK).page(), "plan-row") {
		var cells []string
		name := ""
		for n := range row.ChildNodes() {
			switch n.Data {
			case "th":
				name = text(n)
			case "td":
				cells = append(cells, text(n))
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
