package embedpg

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// maxSocketPath is the longest socket path that every system accepts: macOS 103 bytes, Linux 107.
const maxSocketPath = 103

// socketDir returns the folder of the server's socket: the data folder, or, if the path is too
// long, a folder in /tmp with a random name and mode 0700, which nobody else can guess or enter. A
// start after a crash uses it again; Stop removes it.
func (p place) socketDir() (string, error) {
	if len(p.dir)+len("/.s.PGSQL.")+len(strconv.Itoa(port)) <= maxSocketPath {
		return p.dir, nil
	}
	note := filepath.Join(p.dir, "socket")
	if text, err := os.ReadFile(note); err == nil {
		if dir := strings.TrimSpace(string(text)); p.owns(dir) {
			return dir, nil
		}
	}
	dir, err := os.MkdirTemp("/tmp", "credits-socket-*")
	if err != nil {
		return "", fmt.Errorf("folder for the socket: %w", err)
	}
	if err := p.who.take(dir); err != nil {
		return "", fmt.Errorf("folder for the socket: %w", err)
	}
	if err := writeNote(note, dir, os.O_TRUNC); err != nil {
		return "", fmt.Errorf("folder for the socket: %w", err)
	}
	return dir, nil
}

// removeSocket removes the folder that was made for the socket, if it is empty.
func (s *Server) removeSocket() {
	if s.socket == s.dir {
		return
	}
	name := filepath.Join(s.socket, ".s.PGSQL."+strconv.Itoa(port))
	for _, left := range []string{name, name + ".lock", s.socket, filepath.Join(s.dir, "socket")} {
		_ = os.Remove(left) // at worst it stays until the next start
	}
}

// owns reports whether a path is a folder of the account that is closed to others.
func (p place) owns(dir string) bool {
	info, err := os.Lstat(dir)
	if err != nil || !info.IsDir() || info.Mode().Perm() != 0o700 {
		return false
	}
	uid, _, ok := owner(dir)
	return ok && uid == p.who.uid
}
