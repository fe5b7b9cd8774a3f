package browser

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"sync"
	"time"

	"github.com/chromedp/chromedp"
)

// startLimit is the time that Chromium may take to start on a busy machine.
const startLimit = 60 * time.Second

// chromium is the one browser process of this test process.
type chromium struct {
	ctx     context.Context // ends with the browser
	profile *profile
}

var running struct {
	sync.Mutex
	*chromium
}

// shared returns the context of the running browser. It starts one if none runs or the last one has
// died.
func shared() (context.Context, error) {
	running.Lock()
	defer running.Unlock()
	if running.chromium != nil && running.ctx.Err() == nil {
		return running.ctx, nil
	}
	if running.chromium != nil {
		running.profile.remove()
		running.chromium = nil
	}
	c, err := start()
	if err != nil {
		return nil, err
	}
	running.chromium = c
	return c.ctx, nil
}

// Close stops the browser, if one runs, and removes its profile. A later New starts another. It is
// for TestMain and for programs that take screenshots. Without it the same happens when the process
// ends, however it ends.
func Close() {
	running.Lock()
	defer running.Unlock()
	if running.chromium == nil {
		return
	}
	ctx, cancel := context.WithTimeout(running.ctx, 10*time.Second)
	defer cancel()
	_ = chromedp.Cancel(ctx) // it kills the processes; nothing else can be done
	running.profile.remove()
	running.chromium = nil
}

func start() (*chromium, error) {
	path, err := find()
	if err != nil {
		return nil, err
	}
	dir, err := newProfile()
	if err != nil {
		return nil, err
	}
	options := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(path),
		chromedp.Flag("user-data-dir", dir.path),
		// The pages are our own. In containers ordinary users can seldom use the sandbox, and root never
		// can.
		chromedp.Flag("no-sandbox", true),
		chromedp.Flag("disable-gpu", true),
		chromedp.Flag("disable-quic", true),
		chromedp.Flag("disable-component-update", true),
		chromedp.Flag("lang", "en-US"),
		chromedp.Env(dir.environment()...),
	)
	allocator, _ := chromedp.NewExecAllocator(context.Background(), options...)
	ctx, cancel := chromedp.NewContext(allocator)
	startTimer := time.AfterFunc(startLimit, cancel)
	defer startTimer.Stop()
	if err := chromedp.Do(ctx); err != nil {
		cancel()
		dir.remove()
		return nil, fmt.Errorf("start %s: %w", path, err)
	}
	return &chromium{ctx: ctx, profile: dir}, nil
}

// find returns the path of the browser: $CHROMIUM, then the usual names.
func find() (string, error) {
	names := []string{
		"chromium", "chromium-browser", "google-chrome", "google-chrome-stable",
		"/Applications/Chromium.app/Contents/MacOS/Chromium",
		"/Applications/Google Layout.app/Contents/MacOS/Google Layout",
	}
	if chosen := os.Getenv("CHROMIUM"); chosen != "" {
		names = []string{chosen}
	}
	for _, name := range names {
		if path, err := exec.LookPath(name); err == nil {
			return path, nil
		}
	}
	return "", fmt.Errorf("found no Chromium (looked for %q): run `make setup`, or set CHROMIUM to its path", names)
}

// profile is the browser's data folder. Chromium ends with this process, because its pipe breaks
// (and on Linux the kernel kills it). But after a panic or a timeout no deferred call removes the
// folder. So a shell waits for the end of this process, seen as the end of its input, and removes
// it.
type profile struct {
	path    string
	sweeper *exec.Cmd
	alive   io.Closer
}

// longestTemp leaves room in a socket's address of 108 bytes for
// "/credits-browser-NNNNNNNNNN/org.chromium.Chromium.XXXXXX/SingletonSocket".
const longestTemp = 32

// sweep ignores Ctrl-C, which reaches the whole process group, and retries while dying children
// still write.
const sweep = `trap '' INT TERM HUP
cat >/dev/null
for try in 1 2 3 4 5 6 7 8 9 10; do
	rm -rf -- "$1" && sleep 0.2 && [ ! -e "$1" ] && exit
	sleep 0.5
done`

func newProfile() (*profile, error) {
	temp := os.TempDir()
	if len(temp) > longestTemp {
		temp = "/tmp"
	}
	path, err := os.MkdirTemp(temp, "credits-browser-")
	if err != nil {
		return nil, err
	}
	sweeper := exec.Command("sh", "-c", sweep, "sweep", path)
	alive, err := sweeper.StdinPipe()
	if err == nil {
		err = sweeper.Start()
	}
	if err != nil {
		return nil, fmt.Errorf("start the sweeper of the browser's profile: %w", err)
	}
	return &profile{
		path:    path,
		sweeper: sweeper,
		alive:   alive,
	}, nil
}

// environment keeps everything that Chromium writes inside the profile, and sets one time zone on
// every machine.
func (p *profile) environment() []string {
	return []string{
		"TZ=UTC", "LANGUAGE=en_US",
		"HOME=" + p.path, "XDG_CONFIG_HOME=" + p.path, "XDG_CACHE_HOME=" + p.path, "TMPDIR=" + p.path,
	}
}

func (p *profile) remove() {
	_ = p.alive.Close()
	_ = p.sweeper.Wait()
}
