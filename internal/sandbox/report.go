package sandbox

import (
	"encoding/json"
	"fmt"
	"strings"
)

// Level orders how well a session is kept apart from the host.
type Level int

// The levels, weakest first.
const (
	LevelNone       Level = iota + 1 // sessions cannot be made
	LevelNamespaces                  // own user, mount, process, network namespaces; capabilities dropped; seccomp
	LevelFull                        // namespaces, plus hard limits by control groups, Landlock, and an id per session
	LevelGVisor                      // a kernel of its own, in namespaces; whatever limits the host can hold
)

// Kinds of control groups, for Report.Cgroups.
const (
	groupsNone = "none" // only rlimits and a watchdog hold
	groupsV1   = "v1"   // the hybrid layout too
	groupsV2   = "v2"
)

var levelNames = map[Level]string{LevelNone: "none", LevelNamespaces: "namespaces", LevelFull: "full", LevelGVisor: "gvisor"}

// String returns none, namespaces, full or gvisor.
func (l Level) String() string { return levelNames[l] }

// MarshalText encodes the level as its name.
func (l Level) MarshalText() ([]byte, error) { return []byte(l.String()), nil }

// UnmarshalText accepts the names that MarshalText gives.
func (l *Level) UnmarshalText(b []byte) error {
	for level, name := range levelNames {
		if name == string(b) {
			*l = level
			return nil
		}
	}
	return fmt.Errorf("sandbox: unknown isolation level %q: want namespaces, full or gvisor", b)
}

// Report says what isolation is in force, as the first session measured it and not
// as it was configured.
type Report struct {
	Level         Level             `json:"level"`
	Driver        string            `json:"driver"`
	Problem       string            `json:"problem,omitzero"` // why there is no isolation, or less than is required
	Fix           string            `json:"fix,omitzero"`     // what an operator can do about it, if that is known
	UserNamespace bool              `json:"user_namespace"`
	UniqueUser    bool              `json:"unique_user"` // every session has a host user id of its own
	Network       bool              `json:"network"`     // whether a session can reach any network
	Seccomp       bool              `json:"seccomp"`
	Landlock      int               `json:"landlock_abi"` // 0: none
	Proc          string            `json:"proc"`         // "subset": own processes only; "none"; "gvisor": its own kernel's
	Cgroups       string            `json:"cgroups"`      // v2, v1 or none: then rlimits and a watchdog
	Controllers   []string          `json:"controllers"`  // hard limits in force: memory, pids, cpu
	DataVolume    string            `json:"data_volume"`  // how the size of /mnt/data is bound
	Python        string            `json:"python"`
	Shell         string            `json:"shell"` // "ipython", or "minimal" where it is not installed
	Packages      map[string]string `json:"packages"`
}

// String returns the report on one line for the start-up log, without Problem and Fix,
// which are sentences.
func (r Report) String() string {
	r.Problem, r.Fix = "", ""
	b, err := json.Marshal(r)
	if err != nil {
		return err.Error()
	}
	fields := strings.NewReplacer(`"`, "", "{", "", "}", "", ",", " ", ":", "=").Replace(string(b))
	return "sandbox " + fields
}

// require notes that less is in force than the configuration requires, so that code
// is refused, and what could be done about it.
func (r *Report) require(least Level) {
	if r.Level >= least || r.Problem != "" {
		return
	}
	r.Problem = fmt.Sprintf("isolation %q is in force, and sandbox.min_isolation requires %q: code is refused", r.Level, least)
	switch {
	case least == LevelGVisor:
		r.Fix = "run the server with --sandbox gvisor, or require less"
	case r.Fix == "":
		r.Fix = "see what understudy doctor says of the kernel, run the server as root, or require less"
	}
}

// grade sets the level from what is in force, and the problem if that is not enough.
func (r *Report) grade() {
	switch {
	case r.Problem != "":
	case !r.UserNamespace:
		r.Problem = "sessions have no user namespace of their own"
	case !r.Seccomp:
		r.Problem = "sessions have no system call filter"
	case r.Network:
		r.Problem = "sessions can reach a network"
	}
	switch {
	case r.Problem != "":
		r.Level = LevelNone
	case r.Driver == DriverGVisor:
		r.Level = LevelGVisor
	case r.Cgroups != groupsNone && len(r.Controllers) >= 2 && r.Landlock > 0 && r.UniqueUser && r.Proc == "subset":
		r.Level = LevelFull
	default:
		r.Level = LevelNamespaces
	}
}
