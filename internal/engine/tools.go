package engine

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"path"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/understudy-dev/understudy"
	"github.com/understudy-dev/understudy/internal/sandbox"
	"github.com/understudy-dev/understudy/internal/store"
)

// callTools makes the calls of the current step that are the server's to make.
// It reports whether the run now waits for its client to make the others.
func (x *execution) callTools(ctx context.Context) (waits bool, err error) {
	var functions []understudy.RequiredCall
	for i := range x.calling.StepDetails.ToolCalls {
		c := &x.calling.StepDetails.ToolCalls[i]
		switch c.Type {
		case understudy.ToolFunction:
			if !x.offers(c.Function.Name) {
				c.Function.Output = new(fmt.Sprintf("There is no function named %q.", c.Function.Name))
				break
			}
			functions = append(functions, understudy.RequiredCall{
				ID: c.ID, Type: understudy.ToolFunction,
				Function: understudy.RequiredFunction{Name: c.Function.Name, Arguments: c.Function.Arguments},
			})
			continue
		}
		if slices.Contains(x.calling.Progress.Done, c.ID) {
			continue
		}
		switch {
		case c.CodeInterpreter != nil:
			err = x.runCode(ctx, i, c)
		case c.FileSearch != nil:
			err = x.searchFiles(ctx, c.FileSearch)
		}
		if err != nil {
			return false, err
		}
		x.calling.Progress.Done = append(x.calling.Progress.Done, c.ID)
		if err := x.commit(ctx, func(tx *store.RunTx) error { return tx.SaveStep(*x.calling) }); err != nil {
			return false, err
		}
	}
	if len(functions) > 0 {
		return true, x.commit(ctx, func(tx *store.RunTx) error {
			if tx.Run().Status == understudy.RunCancelling {
				return errCancelled
			}
			return tx.Become(understudy.RunRequiresAction, func(r *understudy.Run) {
				r.RequiredAction = &understudy.RequiredAction{
					Type:              "submit_tool_outputs",
					SubmitToolOutputs: understudy.SubmitToolOutputs{ToolCalls: functions},
				}
			})
		})
	}
	err = x.commit(ctx, func(tx *store.RunTx) error {
		return tx.EndStep(store.OpenStep{Step: new(*x.calling.Step), Progress: x.calling.Progress}, understudy.StepCompleted)
	})
	if err == nil {
		x.calling = nil
	}
	return false, err
}

// offers reports whether the run has a function of that name: the client cannot
// be asked for one it never declared.
func (x *execution) offers(function string) bool {
	return slices.ContainsFunc(x.run.Tools, func(t understudy.Tool) bool {
		return t.Function != nil && t.Function.Name == function
	})
}

// runCode executes a cell and puts what comes of it into the call, passing it
// on as it arrives.
func (x *execution) runCode(ctx context.Context, index int, c *understudy.ToolCall) error {
	out := &codeOutputs{x: x, index: index, call: c.CodeInterpreter}
	if x.e.Sandbox == nil {
		return out.notice(ctx, "The code interpreter is not available on this server.")
	}
	inputs, err := x.inputs(ctx)
	if err != nil {
		return err
	}
	asked, misread, err := x.cellLimits(ctx)
	if err != nil {
		return err
	}
	start := time.Now()
	result, err := x.e.Sandbox.Run(ctx, x.run.ThreadID, sandbox.Cell{
		Code:    c.CodeInterpreter.Input,
		Inputs:  inputs,
		Timeout: asked.timeout,
		Limits:  asked.session,
		Keep:    &workspace{store: x.e.Store, files: x.e.Files, claim: x.claim},
		Output:  func(o sandbox.Output) { out.add(ctx, o) },
	})
	x.files = nil // whatever the cell did, a link made from now on means the file as it is now
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if err != nil {
		x.failures++
		x.log.Error("cannot run code", "err", err)
		return out.notice(ctx, "The code could not be run: "+publicReason(err))
	}
	if result.Status == sandbox.StatusOK {
		x.failures = 0
	} else {
		x.failures++
	}
	x.noteMade(withoutTwins(result.Files, inputs))
	x.log.Info("cell", "status", result.Status, "duration", time.Since(start).Round(time.Microsecond), "files", len(result.Files))
	if out.err != nil {
		return out.err
	}
	if err := out.notice(ctx, result.Notice); err != nil {
		return err
	}
	return out.notice(ctx, misread)
}

// publicReason says why code could not be run in words that may be shown.
func publicReason(err error) string {
	switch {
	case errors.Is(err, sandbox.ErrIsolation):
		return "this server refuses to run code, because the isolation it is configured to require is not available."
	case errors.Is(err, sandbox.ErrBusy):
		return "this server has no room for a session now. Try again later."
	}
	return "an internal error occurred."
}

// codeOutputs collects the outputs of one cell. Text that follows text belongs
// to the same output.
type codeOutputs struct {
	x     *execution
	index int // of the call in its step
	call  *understudy.CodeInterpreterRun
	logs  strings.Builder // of the last output, if that is logs
	err   error           // the first error; what follows it is dropped
}

func (o *codeOutputs) add(ctx context.Context, out sandbox.Output) {
	switch {
	case o.err != nil:
	case out.Image != nil:
		o.err = o.image(ctx, out.Image)
	case out.Data != nil:
		o.data(out.Data)
	case out.Logs != "":
		o.err = o.text(out.Logs)
	}
}

// notice adds a line of the server's own to the logs.
func (o *codeOutputs) notice(ctx context.Context, line string) error {
	if line != "" {
		if n := len(o.call.Outputs); n > 0 && o.call.Outputs[n-1].Logs != nil && !strings.HasSuffix(*o.call.Outputs[n-1].Logs, "\n") {
			line = "\n" + line
		}
		o.add(ctx, sandbox.Output{Logs: line})
	}
	return o.err
}

func (o *codeOutputs) text(s string) error {
	n := len(o.call.Outputs)
	if n == 0 || o.call.Outputs[n-1].Type != understudy.CodeOutputLogs {
		o.logs.Reset()
		o.call.Outputs = append(o.call.Outputs, understudy.CodeOutput{Type: understudy.CodeOutputLogs})
		n++
	}
	o.logs.WriteString(s)
	o.call.Outputs[n-1].Logs = new(o.logs.String())
	return o.publish(understudy.CodeOutputDelta{Index: n - 1, Type: understudy.CodeOutputLogs, Logs: s})
}

func (o *codeOutputs) image(ctx context.Context, img *sandbox.Image) error {
	name := understudy.NewID("") + imageExtension(img.MIME)
	f, err := o.x.saveFile(ctx, name, bytes.NewReader(img.Data))
	if err != nil {
		return err
	}
	o.x.images = append(o.x.images, f.ID)
	o.call.Outputs = append(o.call.Outputs, understudy.CodeOutput{Type: understudy.CodeOutputImage, Image: &understudy.CodeImage{FileID: f.ID}})
	return o.publish(understudy.CodeOutputDelta{Index: len(o.call.Outputs) - 1, Type: understudy.CodeOutputImage, Image: &understudy.CodeImage{FileID: f.ID}})
}

// data keeps what the last output shows. It is not streamed: the step has it.
func (o *codeOutputs) data(d *sandbox.Data) {
	c := understudy.CodeData{OutputIndex: max(len(o.call.Outputs)-1, 0), Type: d.Kind}
	switch d.Kind {
	case "table":
		c.Table = d.JSON
	case "chart":
		c.Chart = d.JSON
	case "plotly":
		c.Plotly = d.JSON
	default:
		return
	}
	o.call.Data = append(o.call.Data, c)
}

func (o *codeOutputs) publish(d understudy.CodeOutputDelta) error {
	return o.x.publishCall(understudy.ToolCallDelta{
		Index: o.index, Type: understudy.ToolCodeInterpreter,
		CodeInterpreter: &understudy.CodeDelta{Outputs: []understudy.CodeOutputDelta{d}},
	})
}

func imageExtension(mime string) string {
	switch mime {
	case "image/jpeg":
		return ".jpg"
	case "image/gif":
		return ".gif"
	case "image/webp":
		return ".webp"
	}
	return ".png"
}

// cleanName makes the name of a file in a session fit to be shown: the last
// element of its path, without control and formatting characters.
func cleanName(name string) string {
	name = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || unicode.In(r, unicode.Cf, unicode.Zl, unicode.Zp) {
			return -1
		}
		return r
	}, strings.ToValidUTF8(path.Base(name), "\uFFFD"))
	return cmp.Or(name, "file")
}

// saveFile keeps a file that the code interpreter made.
func (x *execution) saveFile(ctx context.Context, name string, r io.Reader) (*understudy.File, error) {
	f := &understudy.File{
		Object: "file", ID: understudy.NewID(understudy.PrefixFile), Purpose: understudy.PurposeAssistantsOutput,
		Filename: cleanName(name), CreatedAt: time.Now().Unix(), Status: "processed",
	}
	var err error
	if f.Bytes, err = x.e.Files.Put(ctx, f.ID, r); err != nil {
		return nil, fmt.Errorf("keep %s: %w", f.ID, err)
	}
	if err := x.e.Store.CreateFile(ctx, f); err != nil {
		return nil, errors.Join(err, x.e.Files.Delete(f.ID))
	}
	return f, nil
}

// inputs returns the files that the run may see: its assistant's, its thread's
// and its own. Files that were deleted meanwhile are left out.
func (x *execution) inputs(ctx context.Context) ([]sandbox.Input, error) {
	files, err := x.inputFiles(ctx)
	if err != nil {
		return nil, err
	}
	inputs := make([]sandbox.Input, 0, len(files))
	for _, f := range files {
		inputs = append(inputs, sandbox.Input{
			ID:   f.ID,
			Name: f.Filename,
			Open: func(context.Context) (io.ReadCloser, error) { return x.e.Files.Open(f.ID) },
		})
	}
	return inputs, nil
}

func (x *execution) inputFiles(ctx context.Context) ([]*understudy.File, error) {
	ids := slices.Clone(x.run.ToolResources.CodeFileIDs())
	th, err := x.e.Store.Thread(ctx, x.run.ThreadID)
	if err != nil {
		return nil, err
	}
	ids = append(ids, th.ToolResources.CodeFileIDs()...)
	a, err := x.e.Store.Assistant(ctx, x.run.AssistantID)
	if err != nil && !understudy.IsNotFound(err) {
		return nil, err
	}
	if err == nil {
		ids = append(ids, a.ToolResources.CodeFileIDs()...)
	}
	var files []*understudy.File
	for i, id := range ids {
		if slices.Contains(ids[:i], id) {
			continue
		}
		f, err := x.e.Store.File(ctx, id)
		if understudy.IsNotFound(err) {
			continue
		}
		if err != nil {
			return nil, err
		}
		files = append(files, f)
	}
	return files, nil
}
