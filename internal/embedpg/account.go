package embedpg

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"strconv"
	"syscall"
)

// account is the operating system user that runs Postgres. Postgres refuses root, so it is another user if
// this process is root.
type account struct {
	name       string
	uid, gid   int
	credential *syscall.Credential // nil: this process's user
}

// accountFor chooses the account for a data folder. For root that is the owner of an existing
// folder, else postgres, else nobody.
func accountFor(dir string) (account, error) {
	if uid := os.Geteuid(); uid != 0 {
		return account{
			name: userName(uid),
			uid:  uid,
			gid:  os.Getegid(),
		}, nil
	}
	if uid, gid, ok := owner(dir); ok && uid != 0 {
		// initdb needs a user with a name, but a mounted folder may belong to a bare number.
		if _, err := user.LookupId(strconv.Itoa(uid)); err == nil || exists(dir, "pgdata") {
			return dropped(userName(uid), uid, gid), nil
		}
	}
	for _, name := range []string{"postgres", "nobody"} {
		u, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, err := id(u.Uid)
		if err != nil {
			continue
		}
		gid, err := id(u.Gid)
		if err != nil || uid == 0 {
			continue
		}
		return dropped(name, uid, gid), nil
	}
	return account{}, errors.New(
		"this is root, Postgres refuses to run as root, and there is neither a user postgres nor a user nobody")
}

func dropped(name string, uid, gid int) account {
	return account{name, uid, gid, &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}}
}

// id reads a user or group id. macOS prints the id of the user "nobody" as -2, which means 4294967294.
func id(s string) (int, error) {
	n, err := strconv.ParseInt(s, 10, 64)
	return int(uint32(n)), err
}

func userName(uid int) string {
	u, err := user.LookupId(strconv.Itoa(uid))
	if err != nil {
		return strconv.Itoa(uid)
	}
	return u.Username
}

func owner(path string) (uid, gid int, ok bool) {
	info, err := os.Lstat(path)
	if err != nil {
		return 0, 0, false
	}
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return 0, 0, false
	}
	return int(st.Uid), int(st.Gid), true
}

// canEnter tests whether the account can enter a folder. Modes are not enough: access lists, user
// namespaces and network file systems matter too.
func (a account) canEnter(dir string) (bool, error) {
	if a.credential == nil {
		return true, nil // a later step reports the problem
	}
	err := a.command("/", "/bin/sh", "-c", `cd -- "$1"`, "sh", dir).Run()
	var refused *exec.ExitError
	if err != nil && !errors.As(err, &refused) {
		return false, fmt.Errorf("this is root, Postgres refuses to run as root, and becoming user %s fails: %w",
			a.name, err)
	}
	return err == nil, nil
}

// take makes the account the owner of a folder and closes it to others.
func (a account) take(dir string) error {
	if a.credential != nil {
		if err := os.Lchown(dir, a.uid, a.gid); err != nil {
			return err
		}
	}
	return os.Chmod(dir, 0o700)
}

// takeFile makes the account the owner of an open file.
func (a account) takeFile(f *os.File) error {
	if a.credential == nil {
		return nil
	}
	return f.Chown(a.uid, a.gid)
}

// command prepares a program that runs as the account, in its own process group, so that Ctrl-C at the
// terminal does not reach it, and with a fixed environment, so that variables such as PGPORT have no
// effect.
func (a account) command(dir, program string, args ...string) *exec.Cmd {
	cmd := exec.Command(program, args...)
	cmd.Dir = dir
	cmd.Env = []string{"LC_ALL=C", "TZ=UTC"}
	for _, name := range []string{"PATH", "TMPDIR", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH"} {
		if v, ok := os.LookupEnv(name); ok {
			cmd.Env = append(cmd.Env, name+"="+v)
		}
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Credential: a.credential}
	return cmd
}
