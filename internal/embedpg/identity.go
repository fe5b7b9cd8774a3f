package embedpg

import "os"

// identity recognizes folders by their inodes: a folder that was deleted and created again differs.
type identity map[string]os.FileInfo

// identify reads folders and skips unreadable ones.
func identify(folders ...string) identity {
	known := identity{}
	for _, name := range folders {
		if info, err := os.Stat(name); err == nil {
			known[name] = info
		}
	}
	return known
}

// there reports whether all folders are the same. A folder counts as deleted only if that is certain.
func (known identity) there() bool {
	for name, before := range known {
		now, err := os.Stat(name)
		if os.IsNotExist(err) || (err == nil && !os.SameFile(before, now)) {
			return false
		}
	}
	return true
}
