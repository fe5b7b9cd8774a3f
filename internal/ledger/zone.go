package ledger

import (
	"errors"
	"sync"
	"time"

	_ "time/tzdata" // the binary brings its own zones: a server without them must not change anyone's billing
)

// zones caches locations: loading one parses a file, and every settling needs one.
var zones sync.Map

var errZone = errors.New("unknown time zone")

// LoadZone finds an IANA time zone. Empty means UTC. What means something else on every machine, or
// is there on some only, is refused: "Local", and all that a system keeps beside the zones, such as
// "localtime" and "right/Europe/Paris", none of which begins with a capital.
func LoadZone(name string) (*time.Location, error) {
	if zone, ok := zones.Load(name); ok {
		return zone.(*time.Location), nil
	}
	if name == "Local" || len(name) > 64 || (name != "" && (name[0] < 'A' || name[0] > 'Z')) {
		return nil, errZone
	}
	zone, err := time.LoadLocation(name)
	if err != nil {
		return nil, errZone
	}
	zones.Store(name, zone)
	return zone, nil
}
