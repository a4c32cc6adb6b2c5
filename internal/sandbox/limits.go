package sandbox

import (
	"cmp"
	"context"
	"fmt"
	"strings"
)

// allow returns the limits of a cell's session: what the cell asks for, within what
// the configuration, the host and a session's start leave it. notice says where that is
// not what it asks for, "" if it is.
func (m *Manager) allow(cell Cell) (allowed Limits, notice string) {
	allowed, most := m.config.Limits, m.config.MaxLimits
	most.CPU = min(most.CPU, hostCPU()) // the rest is the server's
	var cut []string
	if asked := cell.Limits.Memory; asked != 0 {
		allowed.Memory = within(asked, min(LeastMemory, allowed.Memory), most.Memory)
		if allowed.Memory != asked {
			cut = append(cut, fmt.Sprintf("%s %d MiB of memory", bound(asked, allowed.Memory), allowed.Memory>>20))
		}
	}
	if asked := cell.Limits.CPU; asked != 0 {
		allowed.CPU = within(asked, min(LeastCPU, allowed.CPU), most.CPU)
		if allowed.CPU != asked {
			unit := "processors"
			if allowed.CPU == 1 {
				unit = "processor"
			}
			cut = append(cut, fmt.Sprintf("%s %g %s", bound(asked, allowed.CPU), allowed.CPU, unit))
		}
	}
	if asked := cell.Limits.Processes; asked != 0 {
		allowed.Processes = within(asked, min(LeastProcesses, allowed.Processes), most.Processes)
		if allowed.Processes != asked {
			cut = append(cut, fmt.Sprintf("%s %d processes", bound(asked, allowed.Processes), allowed.Processes))
		}
	}
	if asked := cell.Limits.DataBytes; asked != 0 {
		allowed = m.config.withData(allowed, within(asked, min(LeastDataBytes, allowed.DataBytes), most.DataBytes))
		if allowed.DataBytes != asked {
			cut = append(cut, fmt.Sprintf("%s %d MiB in /mnt/data", bound(asked, allowed.DataBytes), allowed.DataBytes>>20))
		}
	}
	if cell.Timeout > allowed.MaxTimeout {
		cut = append(cut, fmt.Sprintf("at most %g s for a piece of code", allowed.MaxTimeout.Seconds()))
	}
	if cut == nil {
		return allowed, ""
	}
	return allowed, "Other limits were asked for than this server allows. It allows: " + strings.Join(cut, ", ") + "."
}

func within[T cmp.Ordered](asked, least, most T) T { return min(max(asked, least), most) }

// bound says which way asked was beyond allowed.
func bound[T cmp.Ordered](asked, allowed T) string {
	if asked < allowed {
		return "at least"
	}
	return "at most"
}

// resize gives the session's files the size in limits, if that can be, and returns
// limits. Files that take more keep the size they have, and so do those that cannot be
// reached because what made them is gone: the limits returned say so. The error is ctx's.
func (m *Manager) resize(ctx context.Context, s *keyed, limits Limits) (Limits, error) {
	v := s.volume
	if limits.DataBytes == v.size {
		return limits, nil
	}
	err := m.driver.resizeVolume(ctx, v, limits.DataBytes)
	if ctx.Err() != nil {
		return limits, ctx.Err()
	}
	if err != nil && limits.DataBytes < v.size {
		return m.config.withData(limits, v.size), nil
	}
	if err != nil {
		m.config.Logger.Debug("sandbox: resize", "error", err)
	}
	clear(s.unplaced) // there is room for other inputs now
	return limits, nil
}

// adapt gives the session's process other limits, and reports whether it could. Its
// files must have the size in limits already.
func adapt(s *keyed, limits Limits) bool {
	if s.volume.size != limits.DataBytes {
		return false
	}
	if s.limits == limits {
		return true
	}
	inForce, err := s.link.process.limit(limits)
	s.limits = inForce
	return err == nil
}
