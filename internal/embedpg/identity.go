package embedpg

import "os"

// identity recognises folders by what they are, not by their names: a folder that was deleted and
// made again is another one.
type identity map[string]os.FileInfo

// identify looks at folders. One that cannot be looked at is left out.
func identify(folders ...string) identity {
	known := identity{}
	for _, name := range folders {
		if info, err := os.Stat(name); err == nil {
			known[name] = info
		}
	}
	return known
}

// there says whether all folders are still the same. Only a folder that is certainly not there any
// more counts as deleted.
func (known identity) there() bool {
	for name, before := range known {
		now, err := os.Stat(name)
		if os.IsNotExist(err) || (err == nil && !os.SameFile(before, now)) {
			return false
		}
	}
	return true
}
