package ledger

import (
	"testing"
	"time"

	"github.com/google/uuid"
)

// A lane that was wrong reads for a batch, then for twice as many each time, up to a bound; batches that were right make it trust again.
func TestCautionGrowsAndFades(t *testing.T) {
	t.Parallel()
	c := newCache()
	id := uuid.New()
	known := func() bool {
		c.states[id] = &state{account: id, whole: true}
		return c.find(&party{id: id}, time.Time{}) != nil
	}
	if !known() || !c.pays() {
		t.Fatal("a new lane does not trust its memory")
	}
	for want := 1; want <= 2*maxCareful; want *= 2 {
		c.distrust()
		if len(c.states) != 0 {
			t.Fatal("accounts are remembered that may be wrong, too")
		}
		read := 0
		for !known() {
			if c.pays() {
				t.Fatal("it reads for a memory that it does not use")
			}
			c.keep(nil)
			read++
		}
		if read != min(want, maxCareful) {
			t.Errorf("it was careful for %d batches, want %d", read, min(want, maxCareful))
		}
	}
	for range 6 {
		c.trust()
	}
	c.distrust()
	if c.careful != 2 {
		t.Errorf("after six batches that were right it is careful for %d", c.careful)
	}
}
