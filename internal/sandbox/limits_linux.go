package sandbox

import (
	"maps"
	"slices"

	"golang.org/x/sys/unix"
)

// limit implements process. The limits are written from outside into the control
// group, or as resource limits of the first process, which its later children
// inherit. Raising those takes CAP_SYS_RESOURCE, and the number of processes in
// gVisor cannot be changed from outside.
func (s *session) limit(l Limits) (Limits, error) {
	s.mu.Lock() // and the process id stays this session's
	defer s.mu.Unlock()
	m := s.driver.maker
	if s.reaped || (m.ownKernel && l.Processes != s.limits.Processes) {
		return s.limits, errFixed
	}
	if l.Memory < s.limits.Memory && s.used() > m.bounds(l).Memory {
		l.Memory = s.limits.Memory
	}
	if s.group != nil {
		b := m.bounds(l)
		held := s.driver.cgroups.set(s.group.dirs, b.Memory, b.Processes, b.CPU)
		if !slices.Equal(held, s.group.held) {
			return s.limits, errFixed
		}
	}
	c := s.driver.config
	now, next := m.rlimits(c, s.volume, s.limits, s.group), m.rlimits(c, s.volume, l, s.group)
	for _, name := range slices.Sorted(maps.Keys(next)) {
		if next[name] != now[name] && !s.shiftLimit(name, next[name]-now[name]) {
			return s.limits, errFixed
		}
	}
	s.limits = l
	s.mayHold.Store(m.bounds(l).Memory)
	return l, nil
}

// shiftLimit changes a resource limit of the first process that depends on the
// limits of a session, by a difference: for DATA the zygote has added what it has itself.
func (s *session) shiftLimit(name string, by int64) bool {
	number, known := map[string]int{"DATA": unix.RLIMIT_DATA, "NPROC": unix.RLIMIT_NPROC}[name]
	pid := hostPID(s.pidfd)
	var now unix.Rlimit
	if !known || pid == 0 || unix.Prlimit(pid, number, nil, &now) != nil {
		return false
	}
	value := uint64(max(0, int64(now.Max)+by))
	return unix.Prlimit(pid, number, &unix.Rlimit{Cur: value, Max: value}, nil) == nil
}

// used returns the memory that the session holds, in bytes.
func (s *session) used() int64 {
	if s.group.holds("memory") {
		return s.group.usage()
	}
	return s.memory()
}
