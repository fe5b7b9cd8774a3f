package apikey_test

import (
	"testing"

	"pop.store/credits/internal/apikey"
	"pop.store/credits/internal/problem"
)

func TestScopes(t *testing.T) {
	t.Parallel()
	for list, want := range map[string]apikey.Scope{
		"read":             apikey.Read,
		"spend":            apikey.Spend,
		"admin":            apikey.Admin,
		"admin,spend,read": apikey.Admin,
		"read,spend":       apikey.Spend,
		" read , spend ":   apikey.Spend,
		"read,read":        apikey.Read,
	} {
		if got, err := apikey.ParseScopes(list); got != want || err != nil {
			t.Errorf("%q is %v (%v)", list, got, err)
		}
	}
	for _, list := range []string{"", ",", "read,", "Read", "root", "admin,root", "read spend", "read;spend"} {
		if got, err := apikey.ParseScopes(list); got != 0 || problem.Of(err).Field != "scopes" {
			t.Errorf("%q is %v (%v)", list, got, err)
		}
	}
}

func TestAllows(t *testing.T) {
	t.Parallel()
	scopes := []apikey.Scope{0, apikey.Read, apikey.Spend, apikey.Admin, apikey.Admin + 1}
	allowed := map[apikey.Scope]int{
		apikey.Read:  1,
		apikey.Spend: 2,
		apikey.Admin: 3,
	}
	for _, has := range scopes {
		n := 0
		for _, need := range scopes {
			if has.Allows(need) {
				n++
				if need == 0 || need > has {
					t.Errorf("%v allows %v", has, need)
				}
			}
		}
		if n != allowed[has] {
			t.Errorf("%v allows %d scopes", has, n)
		}
	}
	if apikey.Spend.String() != "spend" || apikey.Scope(0).String() != "scope(0)" ||
		apikey.Scope(9).String() != "scope(9)" {
		t.Error("a scope has the wrong name")
	}
}
