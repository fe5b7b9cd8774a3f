package catalog

import (
	"errors"
	"net/url"
	"regexp"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"pop.store/credits/internal/money"
	"pop.store/credits/internal/tokens"
)

// Limits of a catalog file.
const (
	MaxFileSize = 1 << 20 // bytes

	maxPlans    = 50
	maxFeatures = 500
	maxPacks    = 100
	maxRows     = 100
	maxChanges  = 200 // of one item, and instants at which prices change in all
	maxName     = 80
	maxURL      = 500
	maxDays     = 3650
	maxReturn   = 120 // card networks allow refunds for about as long
)

// Defaults of missing fields.
const (
	defaultLowPercent = 20
	defaultGraceDays  = 30
	defaultReturnDays = 14
)

// Parse reads a catalog in YAML. file is its name in findings. It returns the first version, which knows
// the later ones, and warnings. The error is an *Error with all findings.
func Parse(file string, text []byte) (*Catalog, []Finding, error) {
	r := &reader{file: file}
	if len(text) > MaxFileSize {
		r.fail(0, "is larger than %d bytes", MaxFileSize)
		return nil, nil, &Error{r.errors}
	}
	d := &draft{reader: r}
	if doc := r.document(text); doc != nil {
		d.read(doc)
	}
	if len(r.errors) > 0 {
		return nil, nil, &Error{inOrder(r.errors)}
	}
	versions := d.compile()
	return versions[0], d.warnings(versions), nil
}

// draft is a catalog file being read: the prices before any change, the changes, and the lines.
type draft struct {
	*reader
	base                         Catalog // its lists are in the order of the file
	changes                      []change
	plans, features, packs, rows []int  // the lines of the items
	ownRate                      []bool // of the rows: the rate is the row's own
}

// change sets prices of one item from an instant on.
type change struct {
	from   time.Time
	line   int
	of     itemKind
	item   int
	tokens *tokens.Amount // a plan's allowance, a feature's price, a pack's size
	minor  *int64         // the price of a plan or a pack
}

// itemKind is the list that an item is in.
type itemKind uint8

const (
	ofPlan itemKind = iota
	ofFeature
	ofPack
)

func (d *draft) read(doc *yaml.Node) {
	o := d.object(doc, "the catalog", "version", "plans", "features", "plan_table", "packs", "thresholds",
		"refund_grace_days", "return_days", "upgrade_rule")
	if doc.Kind != yaml.MappingNode {
		return
	}
	o.needs("version", "plans", "features")
	d.base.Version = o.id("version")
	d.readPlans(o)
	d.readFeatures(o)
	d.readPacks(o)
	d.readTable(o)
	d.base.LowPercent = defaultLowPercent
	if n := o.fields["thresholds"]; n != nil {
		d.base.LowPercent = int64(d.object(n, "thresholds", "low_percent").number("low_percent", 0, 100,
			defaultLowPercent))
	}
	d.base.RefundGraceDays = o.number("refund_grace_days", 1, maxDays, defaultGraceDays)
	d.base.ReturnDays = o.number("return_days", 0, maxReturn, defaultReturnDays)
	d.base.Upgrade = UpgradeRule(o.oneOf("upgrade_rule", string(UpgradeDifference), string(UpgradeProrated)))
	d.checkInstants()
}

func (d *draft) readPlans(top object) {
	seen := map[string]int{}
	for i, n := range top.list("plans", 1, maxPlans) {
		o := d.object(n, "a plan", "id", "name", "allowance", "price", "currency", "url", "changes")
		o.needs("id", "name", "allowance")
		p := Plan{
			ID:   o.id("id"),
			Name: o.text("name", maxName),
			URL:  o.link("url"),
		}
		p.Allowance, _ = o.amount("allowance")
		p.Price = o.price(false)
		o.unique("plan", p.ID, seen)
		d.base.Plans, d.plans = append(d.base.Plans, p), append(d.plans, o.lineOf("id"))
		d.readChanges(o, ofPlan, i, "allowance", "price")
	}
}

func (d *draft) readFeatures(top object) {
	seen := map[string]int{}
	for i, n := range top.list("features", 1, maxFeatures) {
		o := d.object(n, "a feature", "id", "name", "one", "many", "pricing", "price", "agent", "changes")
		o.needs("id", "name", "one", "many", "pricing")
		f := Feature{
			ID:    o.id("id"),
			Name:  o.text("name", maxName),
			One:   o.text("one", maxName),
			Many:  o.text("many", maxName),
			Agent: o.flag("agent"),
		}
		f.Pricing = Pricing(o.oneOf("pricing", string(Fixed), string(Default), string(Metered)))
		f.Price, _ = o.amount("price")
		o.unique("feature", f.ID, seen)
		d.base.Features, d.features = append(d.base.Features, f), append(d.features, o.lineOf("id"))
		o.checkPricing(f.Pricing)
		d.readChanges(o, ofFeature, i, "price", "")
	}
}

// checkPricing requires a price unless the feature is metered.
func (o object) checkPricing(p Pricing) {
	if p != Metered {
		o.needs("price")
		return
	}
	for _, name := range []string{"price", "changes"} {
		if o.has(name) {
			o.fail(o.lineOf(name), "%s has no place here: what is metered has no price", name)
		}
	}
}

func (d *draft) readPacks(top object) {
	seen, popular := map[string]int{}, 0
	for i, n := range top.list("packs", 0, maxPacks) {
		o := d.object(n, "a pack", "id", "name", "tokens", "price", "currency", "expires_days", "popular", "changes")
		o.needs("id", "name", "tokens", "price")
		p := Pack{
			ID:          o.id("id"),
			Name:        o.text("name", maxName),
			Popular:     o.flag("popular"),
			ExpiresDays: o.number("expires_days", 1, maxDays, 0),
		}
		p.Tokens = o.positive("tokens")
		p.Price = o.price(true)
		o.unique("pack", p.ID, seen)
		if p.Popular && popular > 0 {
			d.fail(o.lineOf("popular"), "popular: only one pack can be, and the one at line %d is", popular)
		}
		if p.Popular {
			popular = o.lineOf("popular")
		}
		d.base.Packs, d.packs = append(d.base.Packs, p), append(d.packs, o.lineOf("id"))
		d.readChanges(o, ofPack, i, "tokens", "price")
	}
}

func (d *draft) readTable(top object) {
	for _, n := range top.list("plan_table", 0, maxRows) {
		o := d.object(n, "a row of the plan table", "feature", "name", "rate", "about")
		o.needs("feature", "name")
		row := Row{
			Feature: o.id("feature"),
			Name:    o.text("name", maxName),
			Rate:    o.positive("rate"),
			About:   o.flag("about"),
		}
		f, known := d.base.Feature(row.Feature)
		switch {
		case row.Feature == "": // reported already
		case !known:
			d.fail(o.lineOf("feature"), "feature %s is not in this catalog", quote(row.Feature))
		case f.Pricing == Metered:
			o.needs("rate")
		}
		if !o.has("about") {
			row.About = f.Pricing != Fixed
		}
		d.base.Table, d.rows, d.ownRate = append(d.base.Table, row), append(d.rows, o.lineOf("feature")),
			append(d.ownRate, o.has("rate"))
	}
}

// readChanges reads the changes of an item. amount and price name the fields that can change.
func (d *draft) readChanges(item object, of itemKind, index int, amount, price string) {
	known := []string{"from", amount}
	if price != "" {
		known = append(known, price)
	}
	seen := map[time.Time]int{}
	for _, n := range item.list("changes", 1, maxChanges) {
		o := d.object(n, "a change", known...)
		o.needs("from")
		c := change{
			line: o.line,
			of:   of,
			item: index,
		}
		c.from, _ = o.instant("from")
		if len(o.fields) > 0 && !o.has(amount) && (price == "" || !o.has(price)) {
			d.fail(o.line, "the change changes nothing: it needs %s", strings.Join(known[1:], " or "))
		}
		if line := seen[c.from]; line > 0 {
			d.fail(o.lineOf("from"), "two changes at the same instant: the other is at line %d", line)
		}
		if !c.from.IsZero() {
			seen[c.from] = o.lineOf("from")
		}
		o.newPrices(&c, amount, price, d.currencyOf(of, index))
		d.changes = append(d.changes, c)
	}
}

// newPrices reads what a change sets.
func (o object) newPrices(c *change, amount, price, currency string) {
	if o.has(amount) {
		a, ok := o.amount(amount)
		if ok && a == 0 && c.of == ofPack {
			o.fail(o.lineOf(amount), "%s must be more than zero", amount)
		}
		c.tokens = &a
	}
	if price == "" || !o.has(price) {
		return
	}
	if currency == "" && c.of == ofPlan {
		o.fail(o.lineOf(price), "price cannot change: the plan has none to begin with")
	}
	minor := o.minor(price, currency, c.of == ofPack)
	c.minor = &minor
}

// currencyOf is the currency of an item; empty if it has none or it could not be read.
func (d *draft) currencyOf(of itemKind, index int) string {
	switch of {
	case ofPlan:
		return d.base.Plans[index].Price.Currency
	case ofPack:
		return d.base.Packs[index].Price.Currency
	case ofFeature:
	}
	return ""
}

// checkInstants limits the number of versions.
func (d *draft) checkInstants() {
	instants := map[time.Time]bool{}
	for _, c := range d.changes {
		instants[c.from] = true
		if len(instants) > maxChanges {
			d.fail(c.line, "prices change at more than %d instants in all", maxChanges)
			return
		}
	}
}

// unique reports an id that was used before.
func (o object) unique(what, id string, seen map[string]int) {
	if id == "" {
		return
	}
	if line := seen[id]; line > 0 {
		o.fail(o.lineOf("id"), "duplicate %s id %s: first at line %d", what, quote(id), line)
		return
	}
	seen[id] = o.lineOf("id")
}

// positive reads an amount above zero.
func (o object) positive(name string) tokens.Amount {
	a, ok := o.amount(name)
	if ok && a == 0 {
		o.fail(o.lineOf(name), "%s must be more than zero", name)
	}
	return a
}

var currencySyntax = regexp.MustCompile(`^[A-Z]{3}$`)

// price reads a price and its currency: both or neither.
func (o object) price(needed bool) money.Amount {
	currency := o.text("currency", maxURL)
	switch {
	case o.has("price") && !o.has("currency"):
		o.fail(o.lineOf("price"), "currency is missing: a price needs one, such as USD")
	case o.has("currency") && !o.has("price") && !needed:
		o.fail(o.lineOf("currency"), "price is missing: there is a currency")
	case currency != "" && !currencySyntax.MatchString(currency):
		o.fail(o.lineOf("currency"), "currency must be three capital letters such as USD, not %s", quote(currency))
		currency = ""
	}
	return money.Amount{Minor: o.minor("price", currency, needed), Currency: currency}
}

// minor reads a price in minor units: "9.00" is 900 in USD. A price that is for sale must be
// payable. For an unknown currency only the syntax is checked.
func (o object) minor(name, currency string, forSale bool) int64 {
	const must = `must be a decimal number such as "9.00"`
	n := o.scalar(name, must)
	if n == nil {
		return 0
	}
	decimals, most, step := money.Exponent(currency), money.MaxPayment(currency), money.Step(currency)
	unit := tokens.One // what one minor unit is, in millionths
	for range decimals {
		unit /= 10
	}
	a, err := tokens.Parse(n.Value)
	switch {
	case errors.Is(err, tokens.ErrSyntax):
		o.fail(n.Line, "%s %s, not %s", name, must, quote(n.Value))
	case errors.Is(err, tokens.ErrRange) || int64(a/unit) > most.Minor:
		o.fail(n.Line, "%s is too large", name)
	case a < 0:
		o.fail(n.Line, "%s must not be negative", name)
	case currency != "" && (err != nil || a%unit != 0):
		o.fail(n.Line, "%s must have at most %d decimals in %s", name, decimals, currency)
	case err != nil:
		o.fail(n.Line, "%s %s", name, err)
	case a == 0 && forSale:
		o.fail(n.Line, "%s must be more than zero", name)
	case forSale && int64(a/unit)%step != 0:
		o.fail(n.Line, "%s must be a multiple of %s: nothing else can be paid", name,
			money.Amount{Minor: step, Currency: currency})
	default:
		return int64(a / unit)
	}
	return 0
}

// link reads an address that a page may link to: https, or a path on the same host.
func (o object) link(name string) string {
	s := o.text(name, maxURL)
	if s == "" {
		return ""
	}
	u, err := url.Parse(s)
	local := err == nil && u.Scheme == "" && u.Host == "" && strings.HasPrefix(s, "/") && !strings.HasPrefix(s, "//")
	remote := err == nil && u.Scheme == "https" && u.Hostname() != "" && u.User == nil && strings.HasPrefix(s,
		"https://")
	if (!local && !remote) || strings.ContainsAny(s, "\\ ") {
		o.fail(o.lineOf(name), "%s must begin with https:// or be a path such as /settings/plan, not %s", name,
			quote(s))
		return ""
	}
	return s
}
