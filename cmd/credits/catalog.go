package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
	"unicode/utf8"

	"pop.store/credits/internal/catalog"
	"pop.store/credits/internal/clock"
)

// catalog checks a catalog file or prints the built-in one. It needs no database.
func (p *program) catalog(args []string) error {
	switch {
	case len(args) == 2 && args[0] == "check":
		return p.catalogCheck(args[1])
	case len(args) == 1 && args[0] == "default":
		_, err := p.stdout.Write(catalog.DefaultFile)
		return err
	}
	return fmt.Errorf("catalog check FILE or catalog default: %w", errUsage)
}

// catalogCheck prints the findings about a file and its plan table.
func (p *program) catalogCheck(file string) error {
	c, warnings, err := catalog.Load(file)
	if err != nil {
		return err
	}
	for _, w := range warnings {
		fmt.Fprintln(p.stdout, w)
	}
	fmt.Fprintf(p.stdout, "%s: no errors, %s\n", file, count(len(warnings), "warning"))
	for _, v := range c.Versions() {
		since := ""
		if !v.From.IsZero() {
			since = ", from " + v.From.Format(time.RFC3339) + " on"
		}
		fmt.Fprintf(p.stdout, "\n%s%s: %s, %s, %s\n", v.Version, since,
			count(len(v.Plans), "plan"), count(len(v.Features), "feature"), count(len(v.Packs), "pack"))
		align(p.stdout, planTable(v))
	}
	return nil
}

// count is a number with its noun: "1 plan", "3 plans".
func count(n int, one string) string {
	if n == 1 {
		return "1 " + one
	}
	return strconv.Itoa(n) + " " + one + "s"
}

// planTable is the plan table as cells: plans in the first row, then allowances, then how often they pay
// for each feature.
func planTable(c *catalog.Catalog) [][]string {
	head, allowance := []string{""}, []string{"Tokens a month"}
	for _, p := range c.Plans {
		head, allowance = append(head, p.Name), append(allowance, thousands(p.Allowance.String()))
	}
	table := [][]string{head, allowance}
	for _, r := range c.Table {
		line := []string{r.Name}
		for _, n := range c.Counts(r) {
			line = append(line, thousands(strconv.FormatInt(n, 10)))
		}
		table = append(table, line)
	}
	return table
}

// thousands puts commas into a decimal number: "1,000.5".
func thousands(number string) string {
	whole, fraction, point := strings.Cut(number, ".")
	for i := len(whole) - 3; i > 0; i -= 3 {
		whole = whole[:i] + "," + whole[i:]
	}
	if point {
		whole += "." + fraction
	}
	return whole
}

// align prints cells under each other, the first column to the left and the others to the right.
func align(to io.Writer, table [][]string) {
	widths := make([]int, len(table[0]))
	for _, line := range table {
		for i, cell := range line {
			widths[i] = max(widths[i], utf8.RuneCountInString(cell))
		}
	}
	for _, line := range table {
		cells := slices.Clone(line)
		for i, cell := range cells {
			cells[i] = fmt.Sprintf("%*s", widths[i], cell)
		}
		cells[0] = fmt.Sprintf("%-*s", widths[0], line[0])
		fmt.Fprintln(to, "  "+strings.Join(cells, "  "))
	}
}

// openCatalog loads the catalog of the server. From then on SIGHUP does not end the program.
func (p *program) openCatalog() (err error) {
	p.hangups = make(chan os.Signal, 1)
	signal.Notify(p.hangups, syscall.SIGHUP)
	var warnings []catalog.Finding
	p.prices, warnings, err = catalog.Open(p.config.Catalog, clock.System)
	p.logWarnings(warnings)
	return err
}

func (p *program) logWarnings(warnings []catalog.Finding) {
	for _, w := range warnings {
		p.log.Warn(w.String())
	}
}

// reloadOnHangup reloads the catalog on each SIGHUP.
func (p *program) reloadOnHangup(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-p.hangups:
			p.reloadCatalog()
		}
	}
}

func (p *program) reloadCatalog() {
	if p.config.Catalog == "" {
		p.log.Info("SIGHUP is ignored: no catalog file is set (CREDITS_CATALOG)")
		return
	}
	warnings, err := p.prices.Reload()
	if err != nil {
		for line := range strings.SplitSeq(err.Error(), "\n") {
			p.log.Error(line)
		}
		p.log.Error("the catalog was not reloaded: the old one stays in force", "version", p.prices.InForce().Version)
		return
	}
	p.logWarnings(warnings)
	p.log.Info("the catalog was reloaded", "version", p.prices.InForce().Version)
}
