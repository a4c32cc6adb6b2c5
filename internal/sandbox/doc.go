// Package sandbox runs the Python cells that a model wrote, kept apart from the
// host and from each other. It knows nothing of threads, runs or tools: its caller
// names a session by any key, and gets back text, pictures and files.
//
// # From a cell to its result
//
// [Manager.Run] finds the session of a key, or binds one that waits in the pool,
// places the input files, sends the code, collects what comes back within the
// limits, stops the code at its deadline, and lists the files it changed. A session
// keeps its variables until it dies or its lifetime ends; when only its process
// dies (out of memory, a crash, a kill at the deadline), the next cell gets a fresh
// one with the same files, and a notice for the model in [Result.Notice]. With a
// [Keeper] the files outlive the session, too.
//
// # Two halves
//
// The portable half owns every rule: manager.go and pool.go whose session it is,
// execute.go how a cell ends, link.go and frame.go the protocol, output.go what is
// kept of the output, keep.go what of the files, install.go how packages get in,
// limits.go what limits a cell may have of those in sandbox.go. Everything it reads
// from a session is untrusted. The driver (driver.go) only starts, connects and kills.
//
// A driver makes sessions in a jail (agent/stage0.py builds it) that shows little
// of the host; what makes them there is a maker (maker_linux.go).
//
// The zygote is an interpreter that imports numpy, pandas, matplotlib and IPython
// once, and is forked for each session (agent/zygote.py), which takes milliseconds
// and shares the memory of the libraries. Each fork becomes the first process of
// new PID, mount, network, IPC, UTS and cgroup namespaces below a user namespace,
// joins its control group or is born there, drops every capability, and installs
// Landlock and a system call filter before it reads its first cell (agent/kernel.py,
// whose end of the protocol is agent/frames.py).
// Killing that process kills all of the session.
//
// gVisor is the other maker: agent/gvisor.py takes a checkpoint of an interpreter
// that has imported the same (agent/guest.py), and restores a copy for each session,
// in 0.25 s and 120 MB. A session then talks to gVisor's kernel, and only that to the
// host's, from namespaces like those of the zygote's sessions.
//
// # What is in force
//
// Isolation depends on the host, so the driver runs a session and reports what it
// finds: [Manager.Report]. Below [Config.MinIsolation] nothing runs.
//
// With root, sessions have host user ids of their own, from 0x70000000 on, which no
// account may use, and hard limits by control groups. A service manager must
// delegate those (systemd: Delegate=yes), or they are made where the server is. With
// version 2, where no group may have both processes and limited groups, the server
// moves into one beside its sessions'; it moves no other process, so that it has to
// be alone where it is started, or there are no groups.
//
// Without root it needs user namespaces; all sessions share the server's user id,
// and memory is bounded by RLIMIT_DATA for each process and a watchdog for their
// sum, unless a group was delegated to its user.
//
// Either way a session sees the kernel's version and, in /proc/self/mountinfo,
// where on the host its interpreter's folders lie; and it runs on the host's
// kernel, whose faults no namespace hides.
//
// What is not stopped: two sessions that both want it can speak by locks on the
// system's files and by timing; and where no control group holds memory, shared
// mappings that no process has touched lately and the buffers of sockets are seen by
// no watchdog. Sessions then die before the server when the host runs short.
//
// The attacks package tries all of this, in the tests and on users' machines.
//
// The files of a session are in a tmpfs of bounded size: what it writes counts as its
// memory, what the server placed or restored there as the server's. They need no
// quota on any disk, and only copies of them outlive the server.
package sandbox
