package model_test

import (
	"context"
	"fmt"
	"strings"

	"github.com/understudy-dev/understudy/internal/model"
)

// A script makes an app's tests deterministic: this one calls the app's own
// function, and quotes what it returns.
func ExampleParseScript() {
	script, err := model.ParseScript("orders.yaml", strings.NewReader(`
scenes:
  - when:
      user: {matches: 'order (?P<order>\d+)'}
      tool: find_order
    then:
      - call:
          - name: find_order
            args: {number: '{{.match.order}}'}
      - say: 'Order {{.match.order}} is {{.output}}.'
`))
	if err != nil {
		fmt.Println(err)
		return
	}
	m := model.NewRehearsal(script)
	req := &model.Request{
		Messages: []model.Message{model.User("Where is order 815?")},
		Tools:    []model.Tool{{Name: "find_order"}},
	}
	for d := range m.Stream(context.Background(), req) {
		for _, c := range d.ToolCalls {
			fmt.Print(c.Name, c.Arguments)
		}
	}
	fmt.Println()
	req.Messages = append(req.Messages,
		model.Message{Role: "assistant", ToolCalls: []model.ToolCall{{ID: "call_1", Name: "find_order", Arguments: `{"number":"815"}`}}},
		model.ToolOutput("call_1", "on its way"))
	for d := range m.Stream(context.Background(), req) {
		fmt.Print(d.Text)
	}
	// Output:
	// find_order{"number":"815"}
	// Order 815 is on its way.
}
