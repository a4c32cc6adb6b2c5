// Package contract checks every answer of the server against the OpenAPI files
// of OpenAI and Azure: a scenario walks through all routes in all dialects, and
// every object, list, error, and event of a stream is validated. Where the server
// is different on purpose, testdata/differences.txt says why. What is proven is
// written to docs/compatibility.md and to the README by
//
//	go test ./internal/e2e/contract -write
package contract

import (
	"net/http"
	"path/filepath"
	"testing"

	"github.com/understudy-dev/understudy/internal/api"
	"github.com/understudy-dev/understudy/internal/e2e/differences"
	"github.com/understudy-dev/understudy/internal/e2e/program"
)

// dialect is a way to speak to the server.
type dialect struct {
	name    string
	table   string // name of the dialect in the server's own list
	title   string // of its column in the documentation
	prefix  string // of paths
	version string // Azure's api-version
	header  map[string]string
	azure   bool
	v1      bool
	late    bool // has fields that came after 2024-05

	// Every answer is checked once for each group: against the first specification
	// of the group that has the route.
	specs [][]string
	// errors is the specification of errors, if it is another.
	errors string
}

// openAI and azure are the headers that clients of the services send.
var (
	openAI = map[string]string{"Authorization": "Bearer test", "OpenAI-Beta": "assistants=v2"}
	azure  = map[string]string{"api-key": "test"}
)

var dialects = []*dialect{
	{
		name: "openai-v2", table: "openai", title: "OpenAI v2", prefix: "/v1", header: openAI, late: true,
		specs: [][]string{{"openai-2026-08"}, {"openai-2025-04", "openai-2026-08"}},
	},
	{
		name: "openai-v1", table: "openai v1", title: "OpenAI v1", prefix: "/v1", v1: true,
		header: map[string]string{"Authorization": "Bearer test", "OpenAI-Beta": "assistants=v1"},
		specs:  [][]string{{"openai-2024-04", "openai-2025-04"}, {"openai-2024-02", "openai-2024-04", "openai-2025-04"}},
	},
	{ // of its specification's routes and shapes, OpenAI's of the same month has all
		name: "azure-2024-02", table: "azure v1", title: "Azure 2024-02-15", prefix: "/openai", version: "2024-02-15-preview",
		header: azure, azure: true, v1: true,
		specs: [][]string{{"openai-2024-02", "openai-2024-04", "openai-2025-04"}}, errors: "azure-2024-05",
	},
	{
		name: "azure-2024-05", table: "azure 2024-05-01", title: "Azure 2024-05-01", prefix: "/openai", version: "2024-05-01-preview",
		header: azure, azure: true,
		specs: [][]string{{"azure-2024-05", "openai-2025-04"}},
	},
	{
		name: "azure-2025-03", table: "azure", title: "Azure 2025-03-01", prefix: "/openai", version: "2025-03-01-preview",
		header: azure, azure: true, late: true,
		specs: [][]string{{"azure-2025-03", "openai-2025-04"}},
	},
	{
		name: "azure-undated", table: "azure undated", title: "Azure `/openai/v1`", prefix: "/openai/v1", header: azure, azure: true, late: true,
		specs: [][]string{{"azure-2025-03", "openai-2025-04"}},
	},
}

// scenario is a walk through some of the routes.
type scenario struct {
	name string
	play func(*client)
}

// coverage says which scenario has proven which route in which dialect.
type coverage map[string]map[string]string // route, dialect: scenario

// note notes what a scenario has proven, unless another has before.
func (c coverage) note(route, dialect, scenario string) {
	if c[route] == nil {
		c[route] = map[string]string{}
	}
	if c[route][dialect] == "" {
		c[route][dialect] = scenario
	}
}

// TestContract expects every answer to be as the specifications want it, but for
// the differences that are listed, all of those to be seen, and all routes to be
// walked.
func TestContract(t *testing.T) {
	const proves = "the proof that answers are as specified"
	specs, err := loadSpecs()
	if err != nil {
		t.Fatal(err)
	}
	program.Need(t, "OpenAPI files (UNDERSTUDY_CONTRACT)", proves, specs != nil)
	program.NeedPython(t, proves)
	listed, err := differences.Read(filepath.Join("testdata", "differences.txt"), kinds)
	if err != nil {
		t.Fatal(err)
	}
	url := program.Start(t, "--rehearsal", filepath.Join("testdata", "models.yaml"))
	tables := api.Routes()
	reported := map[string]bool{}
	covered := coverage{}
	played, answers, events := 0, 0, 0
	for _, d := range dialects {
		routes := http.NewServeMux()
		for _, pattern := range tables[d.table] {
			routes.HandleFunc(pattern, http.NotFound)
		}
		for _, s := range d.scenarios() {
			t.Run(d.name+"/"+s.name, func(t *testing.T) {
				r := &recorder{dialect: d, routes: routes, specs: specs, answered: map[string]bool{}}
				r.report = func(found difference, route string) {
					place := found.spec + " " + found.place
					if !listed.Has(place, found.kind) && !reported[place+found.kind] {
						reported[place+found.kind] = true
						t.Errorf("%s (%s)", found, route)
					}
				}
				s.play(newClient(t, url, d, r))
				for route := range r.answered {
					covered.note(route, d.name, s.name)
				}
				played, answers, events = played+1, answers+r.answers, events+r.events
			})
		}
	}
	t.Logf("%d scenarios, %d answers and %d events of streams checked", played, answers, events)
	total := 0
	for _, d := range dialects {
		total += len(d.scenarios())
	}
	if played < total {
		return // the rest would be about scenarios that were not selected, or broke off
	}
	for _, line := range listed.Stale() {
		t.Errorf("%s: this difference is gone: delete the line", line)
	}
	for _, d := range dialects {
		for _, route := range tables[d.table] {
			if covered[route][d.name] == "" {
				t.Errorf("%s: no scenario of %s has walked it", route, d.name)
			}
		}
		delete(tables, d.table)
	}
	for name := range tables {
		t.Errorf("there are no scenarios of the dialect %s", name)
	}
	covered.document(t)
}
