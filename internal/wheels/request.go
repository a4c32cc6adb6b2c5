package wheels

import (
	"path"
	"regexp"
	"slices"
	"strings"
)

// Bounds on one request.
const (
	maxArguments = 100
	maxArgument  = 200 // bytes
)

// request is what the words behind `pip install` ask for.
type request struct {
	requirements []requirement
	options      []string // for pip
}

// requirement is a project and the versions of it that will do.
type requirement struct {
	name  string // normal form
	text  string // as pip takes it
	plain bool   // any version will do
}

// requirementForm is what PEP 508 calls a name with extras and versions: no URL, no
// path, no condition.
var requirementForm = regexp.MustCompile(`^([A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?)` +
	`(\[[A-Za-z0-9](?:[A-Za-z0-9._, -]*[A-Za-z0-9])?\])?` +
	`( *(?:===|==|~=|!=|<=|>=|<|>) *[A-Za-z0-9.*+!_-]+(?: *, *(?:===|==|~=|!=|<=|>=|<|>) *[A-Za-z0-9.*+!_-]+)*)?$`)

// Options that a request may have: those that pip gets, and those that mean nothing here.
var (
	passedOptions = map[string]string{"-U": "--upgrade", "--upgrade": "--upgrade", "--no-deps": "--no-deps", "--pre": "--pre"}
	vainOptions   = []string{
		"-q", "-qq", "-qqq", "--quiet", "--user", "--no-cache-dir", "--disable-pip-version-check", "--break-system-packages",
		"--no-input", "--prefer-binary", "--no-warn-script-location",
	}
)

// parse reads the words behind `pip install`, whoever wrote them.
func parse(arguments []string) (request, error) {
	var r request
	if len(arguments) > maxArguments {
		return r, refuse("%d packages and options are more than the %d that one installation may have.", len(arguments), maxArguments)
	}
	for _, a := range arguments {
		if len(a) > maxArgument {
			return r, refuse("%.40q… is too long.", a)
		}
		if option, ok := passedOptions[a]; ok {
			r.options = append(r.options, option)
			continue
		}
		if slices.Contains(vainOptions, a) {
			continue
		}
		if strings.HasPrefix(a, "-") {
			return r, refuse("The option %q is not available here: -U, -q, -r, --pre and --no-deps are.", a)
		}
		m := requirementForm.FindStringSubmatch(a)
		if m == nil {
			return r, refuse("%q is not the name of a package with versions, as in pip install \"name>=1.0\": no URL, file or other source can be used here.", a)
		}
		r.requirements = append(r.requirements, requirement{name: normal(m[1]), text: a, plain: m[2] == "" && m[3] == ""})
	}
	if len(r.requirements) == 0 {
		return r, refuse("You must give at least one package to install.")
	}
	return r, nil
}

var separators = regexp.MustCompile(`[-_.]+`)

// normal returns the form of a project's name in which names are compared.
func normal(name string) string { return strings.ToLower(separators.ReplaceAllString(name, "-")) }

// allowed reports whether one of the patterns, which are in normal form, is for the
// project.
func allowed(patterns []string, name string) bool {
	return slices.ContainsFunc(patterns, func(pattern string) bool {
		ok, _ := path.Match(pattern, name)
		return ok
	})
}
