package main

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"image/png"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"github.com/understudy-dev/understudy"
)

func (p program) demoCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "Show what the server does, on a fresh one of its own",
		Long: "demo starts a server on a free port with an empty data folder and talks to it over HTTP as an application would: it\n" +
			"solves an equation, draws a chart of a CSV file and calls functions. The model is the configured one, or the rehearsal\n" +
			"model; the code really runs. It fails if anything did not happen.",
		Args: cobra.NoArgs,
	}
	addOptions(cmd, commonOptions())
	out := cmd.Flags().String("out", "understudy-demo", "`folder` for the files that come out of it")
	name := cmd.Flags().String("assistant-model", "", "model `name` of the assistants (default: gpt-4o, or the first that the server lists)")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		cfg, err := loadConfig(commonOptions(), cmd.Flags(), p.getenv)
		if err != nil {
			return err
		}
		cfg.Log.Level = cmp.Or(cfg.Log.Level, "warn")
		return p.demo(cmd.Context(), cfg, *out, *name)
	}
	return cmd
}

// demo starts a server and plays all parts on it. Python packages come from
// the usual data folder, everything else is made in a temporary one.
func (p program) demo(ctx context.Context, cfg *Config, out, modelName string) (err error) {
	env, err := cfg.python(ctx, p.stderr, p.logger(cfg.Log))
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "understudy-demo-*")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	own := *cfg
	own.Listen, own.Data, own.ShutdownTimeout = "127.0.0.1:0", dir, time.Second
	own.Python = PythonConfig{Interpreter: env.Python, Packages: env.Packages}
	own.keys = nil
	s, err := p.openServer(ctx, &own, p.stderr)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.close()) }()
	if s.sandbox == nil {
		return fmt.Errorf("code cannot be run: %w", s.noCode)
	}

	playing, stop := context.WithCancel(ctx)
	defer stop()
	var (
		played error
		player sync.WaitGroup
	)
	err = s.serve(playing, func() error {
		player.Go(func() {
			defer stop()
			d := &demo{client: client{base: s.url(), key: "demo", http: &http.Client{}}, screen: newScreen(p.stdout), out: out}
			played = d.play(playing, s.model, modelName)
		})
		return nil
	})
	stop()
	player.Wait()
	return errors.Join(played, err)
}

// A demo plays its parts on a server.
type demo struct {
	client
	screen *screen
	out    string
	model  string // name that assistants get
}

func (d *demo) play(ctx context.Context, behind, modelName string) error {
	if err := os.MkdirAll(d.out, 0o755); err != nil {
		return err
	}
	d.screen.title("Understudy %s at %s", version(), d.base)
	d.screen.note("%s", behind)
	if err := d.chooseModel(ctx, modelName); err != nil {
		return err
	}
	d.screen.note("assistants ask for the model %s; Python runs in a sandbox of this machine", d.model)
	for _, part := range []struct {
		title string
		play  func(context.Context) error
	}{
		{"Code interpreter: solve an equation", d.equation},
		{"Code interpreter: draw a chart of a CSV file", d.chart},
		{"Function calling: the application's own functions", d.functions},
	} {
		d.screen.title("%s", part.title)
		start := time.Now()
		if err := part.play(ctx); err != nil {
			return fmt.Errorf("demo: %s: %w", strings.ToLower(part.title), err)
		}
		d.screen.note("done in %v", time.Since(start).Round(time.Millisecond))
	}
	return nil
}

// chooseModel picks a name that the server knows, unless one is given.
func (d *demo) chooseModel(ctx context.Context, name string) error {
	const usual = "gpt-4o"
	var list struct {
		Data []struct {
			ID string `json:"id"`
		} `json:"data"`
	}
	if err := d.call(ctx, http.MethodGet, "/models", nil, &list); err != nil {
		return err
	}
	d.model = cmp.Or(name, usual)
	known := slices.ContainsFunc(list.Data, func(m struct {
		ID string `json:"id"`
	}) bool {
		return m.ID == usual
	})
	if name == "" && len(list.Data) > 0 && !known {
		d.model = list.Data[0].ID
	}
	return nil
}

func (d *demo) equation(ctx context.Context) error {
	assistant, err := d.assistant(ctx, "You are an AI assistant that can write code to help answer math questions. Always calculate with code.", codeInterpreter())
	if err != nil {
		return err
	}
	got, err := d.ask(ctx, assistant, object{"role": "user", "content": "I need to solve the equation `3x + 11 = 14`. Can you help me?"}, nil)
	switch {
	case err != nil:
		return err
	case got.cells == 0:
		return errors.New("no code was run")
	case !strings.Contains(got.logs+got.text(), "1"):
		return errors.New("the answer is not 1")
	}
	return nil
}

// sales is the file that the chart is drawn of.
const sales = `month,north,south,west
January,120,98,143
February,132,101,139
March,151,118,160
April,149,131,172
May,170,140,181
June,186,155,178
July,181,162,190
August,175,171,199
September,190,168,204
October,204,175,211
November,221,190,220
December,243,209,238
`

func (d *demo) chart(ctx context.Context) error {
	file, err := d.upload(ctx, "sales.csv", sales)
	if err != nil {
		return err
	}
	d.screen.note("uploaded sales.csv as %s", file.ID)
	assistant, err := d.assistant(ctx, "You analyse data with Python. Read attached files from /mnt/data, and show figures with matplotlib.", codeInterpreter())
	if err != nil {
		return err
	}
	got, err := d.ask(ctx, assistant, object{
		"role":        "user",
		"content":     "Please draw a chart of the data in the attached CSV file.",
		"attachments": []object{{"file_id": file.ID, "tools": []object{codeInterpreter()}}},
	}, nil)
	if err != nil {
		return err
	}
	images, files := got.generated()
	if len(images) == 0 {
		return errors.New("no chart came back")
	}
	for i, id := range images {
		if err := d.save(ctx, id, fmt.Sprintf("chart-%d.png", i+1)); err != nil {
			return err
		}
	}
	for _, id := range files {
		var f understudy.File
		if err := d.call(ctx, http.MethodGet, "/files/"+id, nil, &f); err != nil {
			return err
		}
		// The name comes from the model's code.
		if err := d.save(ctx, id, filepath.Base(filepath.Clean("/"+f.Filename))); err != nil {
			return err
		}
	}
	return nil
}

// save downloads a file into the demo's folder. A PNG must be one.
func (d *demo) save(ctx context.Context, id, name string) error {
	content, err := d.download(ctx, id)
	if err != nil {
		return err
	}
	what := fmt.Sprintf("%d bytes", len(content))
	if filepath.Ext(name) == ".png" {
		picture, err := png.Decode(bytes.NewReader(content))
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		what = fmt.Sprintf("%d x %d pixels", picture.Bounds().Dx(), picture.Bounds().Dy())
	}
	path := filepath.Join(d.out, name)
	if err := os.WriteFile(path, content, 0o644); err != nil {
		return err
	}
	d.screen.note("saved %s (%s)", path, what)
	return nil
}

func (d *demo) functions(ctx context.Context) error {
	location := object{"type": "string", "description": "The city and state e.g. San Francisco, CA"}
	assistant, err := d.assistant(ctx, "You are a weather bot. Use the provided functions to answer questions.",
		function("getCurrentWeather", "Get the weather in location", object{
			"location": location, "unit": object{"type": "string", "enum": []string{"c", "f"}},
		}),
		function("getNickname", "Get the nickname of a city", object{"location": location}))
	if err != nil {
		return err
	}
	outputs := map[string]string{"getCurrentWeather": "22C", "getNickname": "LA"}
	got, err := d.ask(ctx, assistant, object{
		"role": "user", "content": "What's the weather in San Francisco, and what is the nickname of Los Angeles?",
	}, func(call understudy.RequiredCall) string { return outputs[call.Function.Name] })
	if err != nil {
		return err
	}
	for name := range outputs {
		if !slices.Contains(got.called, name) {
			return fmt.Errorf("%s was not called", name)
		}
	}
	if !strings.Contains(got.text(), "22") {
		return errors.New("the answer does not use what the functions returned")
	}
	return nil
}

// object is a JSON object in the making.
type object map[string]any

func codeInterpreter() object { return object{"type": "code_interpreter"} }

func function(name, description string, properties object) object {
	return object{"type": "function", "function": object{
		"name": name, "description": description,
		"parameters": object{"type": "object", "properties": properties, "required": []string{"location"}},
	}}
}

func (d *demo) assistant(ctx context.Context, instructions string, tools ...object) (string, error) {
	var a understudy.Assistant
	err := d.call(ctx, http.MethodPost, "/assistants", object{"model": d.model, "instructions": instructions, "tools": tools}, &a)
	return a.ID, err
}
