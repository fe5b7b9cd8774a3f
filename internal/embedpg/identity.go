package embedpg

import "os"

// identity recognises folders by their inodes: a folder that was deleted and made again is another
// one.
type identity map[string]os.FileInfo

// identify reads folders and leaves out those that cannot be read.
func identify(folders ...string) identity {
	known := identity{}
	for _, name := range folders {
		if info, err := os.Stat(name); err == nil {
			known[name] = info
		}
	}
	return known
}

// there says whether all folders are the same. A folder counts as deleted only if that is certain.
func (known identity) there() bool {
	for name, before := range known {
		now, err := os.Stat(name)
		if os.IsNotExist(err) || (err == nil && !os.SameFile(before, now)) {
			return false
		}
	}
	return true
}
