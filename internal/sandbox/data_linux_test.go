package sandbox

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestData(t *testing.T) {
	t.Parallel()
	m, key := shared(t)
	needPackages(t, m, "pandas", "matplotlib")
	chart := func(kind, series string) string {
		return fmt.Sprintf(`chart {"type":"%s","title":"","axes":[{"title":"","x":{"label":"","scale":"linear"},"y":{"label":"","scale":"linear"},"series":[%s]}]}`, kind, series)
	}
	if r := run(t, m, key, "import pandas as pd, matplotlib.pyplot as plt, plotly"); r.Status != StatusOK {
		unavailable(t, "Python package plotly")
	}
	for _, c := range []struct{ name, code, want string }{
		{"a table", "pd.DataFrame({'a': [1.5, None], 'b': ['x', 'y']}, index=[7, 8])",
			`table {"columns":[{"name":"a","dtype":"float64"},{"name":"b","dtype":"str"}],"index":[7,8],"rows":[[1.5,"x"],[null,"y"]],"total_rows":2,"total_columns":2}`},
		{"a series of dates", "display(pd.Series(pd.to_datetime(['2024-02-29', None]), name='d'))",
			`table {"columns":[{"name":"d","dtype":"datetime64[us]"}],"index":[0,1],"rows":[["2024-02-29T00:00:00"],[null]],"total_rows":2,"total_columns":1}`},
		{"no rows", "pd.DataFrame()", `table {"columns":[],"index":[],"rows":[],"total_rows":0,"total_columns":0}`},
		{"printed only", "print(pd.DataFrame({'a': [1]}))", ""},
		{"lines", "plt.plot([0, 1], [2, float('inf')], label='up'); plt.show()", chart("line", `{"type":"line","label":"up","points":[[0,2.0],[1,null]]}`)},
		{"bars with names", "plt.bar(['x', 'y'], [1, 2]); plt.show()", chart("bar", `{"type":"bar","label":"","points":[["x",1],["y",2]]}`)},
		{"bars of pandas", "pd.Series([1, 2], index=['x', 'y']).plot.barh(); plt.show()", chart("barh", `{"type":"barh","label":"","points":[["x",1],["y",2]]}`)},
		{"periods of pandas", "_ = pd.Series([1, 2], index=pd.date_range('2024-01-01', periods=2), name='s').plot()",
			chart("line", `{"type":"line","label":"s","points":[["2024-01-01",1],["2024-01-02",2]]}`)},
		{"dots", "plt.scatter([1], [2]); plt.show()", chart("scatter", `{"type":"scatter","label":"","points":[[1.0,2.0]]}`)},
		{"a pie", "plt.pie([1, 3], labels=['u', 'v']); plt.show()", chart("pie", `{"type":"pie","label":"","points":[["u",0.25],["v",0.75]]}`)},
		{"an image", "plt.imshow([[1, 2]]); plt.show()", chart("image", `{"type":"image","label":"","rows":1,"columns":2,"values":[[1,2]]}`)},
		{"thinned", "plt.plot(range(3000)); plt.show(); print(len(plt.get_fignums()))", "every 3"},
		{"plotly", "import plotly.graph_objects as go; fig = go.Figure(go.Bar(x=['a'], y=[1])); fig.layout.template = None; fig",
			`plotly {"data":[{"x":["a"],"y":[1],"type":"bar"}],"layout":{}}`},
		{"plotly, shown", "fig.show()", `plotly {"data":[{"x":["a"],"y":[1],"type":"bar"}],"layout":{}}`},
		{"too large", "pd.DataFrame({i: ['x' * 500] * 200 for i in range(50)})", ""},
		{"what cannot be described", "class D(pd.DataFrame):\n    iloc = property(lambda self: 1 / 0)\nD({'a': [1]})", ""},
	} {
		r := run(t, m, key, c.code)
		var got []string
		for _, o := range r.Outputs {
			if o.Data != nil {
				got = append(got, o.Data.Kind+" "+string(o.Data.JSON))
			}
		}
		all := strings.Join(got, "\n")
		if c.name == "thinned" {
			if !strings.Contains(all, `"every":3`) || !strings.HasSuffix(all, `[2997.0,2997]],"every":3}]}]}`) {
				t.Errorf("%s: got %s", c.name, all)
			}
			continue
		}
		if diff := cmp.Diff(c.want, all); diff != "" || r.Status != StatusOK {
			t.Errorf("%s: %s (-want +got):\n%s\n%s", c.name, r.Status, diff, r.Text())
		}
	}
}
