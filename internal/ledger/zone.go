package ledger

import (
	"errors"
	"sync"
	"time"

	_ "time/tzdata" // embeds the zones, so that billing does not depend on the server's files
)

// zones caches locations, since loading one parses a file and every settle needs one.
var zones sync.Map

var errZone = errors.New("unknown time zone")

// LoadZone loads an IANA time zone; empty means UTC. It refuses names whose meaning depends on the machine:
// "Local", and files beside the zones such as "localtime" and "right/Europe/Paris", none of which begins
// with a capital.
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
