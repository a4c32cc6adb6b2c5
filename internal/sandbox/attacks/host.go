package attacks

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"
)

// Facts are what an attacker may know of the host, and the limits of a session.
type Facts struct {
	Data        string   `json:"data"`   // the server's data folder
	Folder      string   `json:"folder"` // working folder of the sandbox
	Shown       []string `json:"shown"`  // folders that a session may know by their name on the host
	Memory      int64    `json:"memory"` // bytes, as the other sizes
	DataBytes   int64    `json:"data_bytes"`
	TmpBytes    int64    `json:"tmp_bytes"`
	FileSize    int64    `json:"file_size"`
	OpenFiles   int      `json:"open_files"`
	Processes   int      `json:"processes"`
	CPU         float64  `json:"cpu"`
	Controllers []string `json:"controllers"` // what control groups bound
}

// Host is what there is on the host for an attack to find: files with a secret, the
// same secret in the environment, and listeners on the loopback, a socket's file and
// an abstract name.
type Host struct {
	Facts
	Program    string      `json:"program"`     // the server's binary
	Canaries   []string    `json:"canaries"`    // files with the secret
	Inodes     [][2]uint64 `json:"inodes"`      // device and number of each
	CanarySize int         `json:"canary_size"` // bytes of each
	Needle     string      `json:"needle"`      // the secret backwards, in hexadecimal: so no code that looks for it holds it
	Port       int         `json:"port"`
	Socket     string      `json:"socket"`
	Abstract   string      `json:"abstract"`

	secret    string
	content   []byte
	listeners []net.Listener
	folder    string // of the socket
}

// SecretVariable is the environment variable with the secret.
const SecretVariable = "UNDERSTUDY_ATTACK_SECRET"

// NewHost puts out what is to be found, with a file in each of places. It sets an
// environment variable of this process. Close takes everything away again.
func NewHost(facts Facts, places ...string) (_ *Host, err error) {
	h := &Host{
		Facts:  facts,
		secret: fmt.Sprintf("secret-%016x%016x", rand.Uint64(), rand.Uint64()), Abstract: fmt.Sprintf("understudy-%016x", rand.Uint64()),
		CanarySize: 4099 + rand.IntN(4000), // an odd size: few other files need be read
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, h.Close())
		}
	}()
	backwards := []byte(h.secret)
	slices.Reverse(backwards)
	h.Needle = hex.EncodeToString(backwards)
	h.content = bytes.Repeat([]byte(h.secret), 300)[:h.CanarySize]
	if h.Program, err = os.Executable(); err != nil {
		return nil, fmt.Errorf("find this program: %w", err)
	}
	for _, place := range places {
		if err := h.plant(place); err != nil {
			return nil, err
		}
	}
	if err := h.listen(); err != nil {
		return nil, err
	}
	return h, os.Setenv(SecretVariable, h.secret)
}

// plant puts a file with the secret into dir.
func (h *Host) plant(dir string) error {
	f, err := os.CreateTemp(dir, "understudy-canary-*")
	if err != nil {
		return fmt.Errorf("plant a secret: %w", err)
	}
	h.Canaries = append(h.Canaries, f.Name())
	var st syscall.Stat_t
	_, err = f.Write(h.content)
	if err = errors.Join(err, syscall.Fstat(int(f.Fd()), &st), f.Close()); err != nil {
		return fmt.Errorf("plant a secret: %w", err)
	}
	h.Inodes = append(h.Inodes, [2]uint64{uint64(st.Dev), st.Ino})
	return nil
}

// listen opens a socket of each kind that a session could try to reach.
func (h *Host) listen() (err error) {
	if h.folder, err = os.MkdirTemp("", "understudy-attack-*"); err != nil {
		return fmt.Errorf("make a folder for a socket: %w", err)
	}
	h.Socket = filepath.Join(h.folder, "host.sock")
	for _, where := range [][2]string{{"tcp", "127.0.0.1:0"}, {"unix", h.Socket}, {"unix", "@" + h.Abstract}} {
		l, err := net.Listen(where[0], where[1])
		if err != nil {
			return fmt.Errorf("listen for attacks: %w", err)
		}
		h.listeners = append(h.listeners, l)
		if tcp, ok := l.Addr().(*net.TCPAddr); ok {
			h.Port = tcp.Port
		}
	}
	return nil
}

// Close removes everything that NewHost made.
func (h *Host) Close() error {
	var errs []error
	for _, l := range h.listeners {
		errs = append(errs, l.Close())
	}
	for _, name := range h.Canaries {
		errs = append(errs, os.Remove(name))
	}
	if h.folder != "" {
		errs = append(errs, os.RemoveAll(h.folder))
	}
	return errors.Join(append(errs, os.Unsetenv(SecretVariable))...)
}

// Code returns the code of an attack's first cell, for an interpreter outside
// the sandbox.
func (h *Host) Code(a Attack) (string, error) { return h.prepare(a.steps[0].code) }

// prepare returns code with what all attacks begin with.
func (h *Host) prepare(code string) (string, error) {
	facts, err := json.Marshal(h)
	if err != nil {
		return "", fmt.Errorf("describe the host: %w", err)
	}
	probe, err := files.ReadFile("code/probe.py")
	if err != nil {
		return "", fmt.Errorf("read what attacks begin with: %w", err)
	}
	return fmt.Sprintf("HOST_JSON, PROBE = %s, %s\nexec(PROBE)\n%s",
		strconv.QuoteToASCII(string(facts)), strconv.QuoteToASCII(string(probe)), code), nil
}

// harm returns the canaries that are not as they were.
func (h *Host) harm() []string {
	var changed []string
	for _, name := range h.Canaries {
		if got, err := os.ReadFile(name); err != nil || !bytes.Equal(got, h.content) {
			changed = append(changed, "the host's file "+name+" was changed")
		}
	}
	return changed
}
