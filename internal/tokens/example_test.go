package tokens_test

import (
	"fmt"

	"pop.store/credits/internal/tokens"
)

func ExampleParse() {
	a, err := tokens.Parse("0.05")
	fmt.Println(a, int64(a), err)
	_, err = tokens.Parse("1e3")
	fmt.Println(err)
	// Output:
	// 0.05 50000 <nil>
	// must be a decimal number of tokens such as "0.05" or "42.5"
}

func ExampleAmount_Times() {
	total, ok := tokens.MustParse("0.05").Times(3)
	fmt.Println(total, ok)
	// Output: 0.15 true
}

func ExampleAmount_Fits() {
	fmt.Println((200 * tokens.One).Fits(75 * tokens.One))
	// Output: 2
}
