package main

import (
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// An option is one setting with its names on the command line, in the
// environment and in the configuration file. Any of the names may be missing.
type option struct {
	flag, env, key string
	usage          string
	kind           optionKind
}

type optionKind int

const (
	textOption   optionKind = iota // takes a value
	listOption                     // can be repeated; in the environment, separated by commas
	switchOption                   // takes none; in the environment, anything strconv.ParseBool takes
)

// serveOptions are the settings of a server. Those of the configuration file
// alone are fields of [Config].
func serveOptions() []option {
	return append(commonOptions(),
		option{flag: "listen", env: "UNDERSTUDY_LISTEN", key: "listen", usage: "`address` to serve on (default: 127.0.0.1:8080); port 0 picks a free one"},
		option{flag: "api-key-file", env: "UNDERSTUDY_API_KEY_FILE", key: "api_key_file", usage: "`file` of accepted keys, one a line (or one key in UNDERSTUDY_API_KEY)"},
		option{flag: "entra-tenant", env: "UNDERSTUDY_ENTRA_TENANT", key: "entra.tenant", usage: "`id` of the Entra ID tenant whose tokens open Azure's paths"},
		option{flag: "entra-issuer", env: "UNDERSTUDY_ENTRA_ISSUER", key: "entra.issuer", usage: "`URL` of the issuer of such tokens (default: the tenant's)"},
		option{flag: "conformance", env: "UNDERSTUDY_CONFORMANCE", key: "conformance", kind: switchOption, usage: "make objects for the placeholder ids of the SDKs' generated test suites; for tests only"},
		option{flag: "shutdown-timeout", env: "UNDERSTUDY_SHUTDOWN_TIMEOUT", key: "shutdown_timeout", usage: "`duration` for which open requests may go on after a signal to stop (default: 10s)"},
	)
}

// commonOptions are those that the other commands share with serve.
func commonOptions() []option {
	return append(pythonOptions(),
		option{flag: "sandbox", env: "UNDERSTUDY_SANDBOX", key: "sandbox.driver", usage: "`driver` of the code interpreter: zygote, or gvisor for a kernel between code and host"},
		option{flag: "model", env: "UNDERSTUDY_MODEL", key: "model.use", usage: "`mode`: auto, or rehearsal to play scripts only"},
		option{flag: "rehearsal", env: "UNDERSTUDY_REHEARSAL", key: "model.rehearsal", kind: listOption, usage: "script `file` of the rehearsal model, before the built-in one; can be repeated"},
		option{flag: "no-setup", env: "UNDERSTUDY_NO_SETUP", key: "python.no_setup", kind: switchOption, usage: "do not install a missing Python environment"},
	)
}

// pythonOptions are those that say where things are.
func pythonOptions() []option {
	return []option{
		{flag: "data", env: "UNDERSTUDY_DATA", key: "data", usage: "data `folder` (default: ~/.local/share/understudy)"},
		{flag: "python", env: "UNDERSTUDY_PYTHON", key: "python.interpreter", usage: "`path` of the Python that runs code (default: the best on this machine)"},
		{flag: "packages", env: "UNDERSTUDY_PACKAGES", key: "python.packages", usage: "`folder` with Python packages prepared elsewhere, for --python"},
		{flag: "log-format", env: "UNDERSTUDY_LOG_FORMAT", key: "log.format", usage: "`format` of the log: text or json"},
		{flag: "log-level", env: "UNDERSTUDY_LOG_LEVEL", key: "log.level", usage: "least `level` of what is logged: debug, info, warn or error"},
	}
}

// addOptions defines the flags of options and --config on cmd.
func addOptions(cmd *cobra.Command, options []option) {
	f := cmd.Flags()
	f.String("config", "", "configuration `file` in YAML (or UNDERSTUDY_CONFIG)")
	for _, o := range options {
		usage := o.usage
		if o.env != "" {
			usage += " [" + o.env + "]"
		}
		switch o.kind {
		case listOption:
			f.StringArray(o.flag, nil, usage)
		case switchOption:
			f.Bool(o.flag, false, usage)
		default:
			f.String(o.flag, "", usage)
		}
	}
}

// given returns what the environment and the flags say, by configuration key.
// Flags win.
func given(options []option, flags *pflag.FlagSet, getenv func(string) string) map[string]any {
	values := make(map[string]any)
	for _, o := range options {
		if o.key == "" {
			continue
		}
		if v := getenv(o.env); o.env != "" && v != "" {
			values[o.key] = v
			if o.kind == listOption {
				values[o.key] = strings.Split(v, ",")
			}
		}
		f := flags.Lookup(o.flag)
		switch {
		case f == nil || !f.Changed:
		case o.kind == listOption:
			values[o.key] = f.Value.(pflag.SliceValue).GetSlice()
		default:
			values[o.key] = f.Value.String()
		}
	}
	return values
}
