package catalog_test

import (
	"fmt"

	"pop.store/credits/internal/catalog"
)

func ExampleCatalog_Price() {
	prices := catalog.Builtin()
	quantity := int64(3)
	p, err := prices.Price("pdf_creation", &quantity, nil)
	fmt.Println(p.Quantity, p.Unit, p.Amount, err)
	_, err = prices.Price("pdf", nil, nil)
	fmt.Println(err)
	// Output:
	// 3 75 225 <nil>
	// unknown_feature: feature is not in the catalog.
}

func ExampleParse() {
	c, warnings, err := catalog.Parse("prices.yaml", []byte(`
version: v1
plans: [{id: basic, name: Basic, allowance: 100}]
features: [{id: image, name: Images, one: image, many: images, pricing: fixed, price: 10}]
`))
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(c.Plans[0].Allowance, c.ToolMinimum)
	fmt.Println(warnings[0])
	// Output:
	// 100 10
	// prices.yaml:1: warning: there are no packs: nobody can buy tokens
}
