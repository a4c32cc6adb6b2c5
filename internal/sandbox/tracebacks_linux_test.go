package sandbox

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestTracebacks shows what IPython shows, without what it costs.
func TestTracebacks(t *testing.T) {
	t.Parallel()
	m := newManager(t, nil)
	const rule = "---------------------------------------------------------------------------\n"
	for i, c := range []struct{ code, want string }{
		{"x = 1\n1/0\ny = 2", rule +
			"ZeroDivisionError                         Traceback (most recent call last)\n" +
			"Cell In[1], line 2\n      1 x = 1\n----> 2 1/0\n      3 y = 2\n\n" +
			"ZeroDivisionError: division by zero\n"},
		{"def f(a, *b, c=1, **d):\n    try:\n        {}[a]\n    except KeyError as e:\n        raise ValueError('no') from e\nf(7)", rule +
			"KeyError                                  Traceback (most recent call last)\n" +
			"Cell In[2], line 3, in f(a, *b, c, **d)\n      1 def f(a, *b, c=1, **d):\n      2     try:\n----> 3         {}[a]\n" +
			"      4     except KeyError as e:\n      5         raise ValueError('no') from e\n\n" +
			"KeyError: 7\n\nThe above exception was the direct cause of the following exception:\n\n" +
			"ValueError                                Traceback (most recent call last)\n" +
			"Cell In[2], line 6\n      3         {}[a]\n      4     except KeyError as e:\n      5         raise ValueError('no') from e\n----> 6 f(7)\n\n" +
			"Cell In[2], line 5, in f(a, *b, c, **d)\n      2 try:\n      3     {}[a]\n      4 except KeyError as e:\n----> 5     raise ValueError('no') from e\n\n" +
			"ValueError: no\n"},
		{"class E(Exception):\n    def __str__(self): raise OSError\nraise E", "E: <exception str() failed>\n"},
		{"a, b = ValueError(1), ValueError(2)\na.__cause__, b.__cause__ = b, a\nraise a", "ValueError: 1\n"},
		{"def r(n): return r(n + 1)\nr(0)", "frames left out ...]\n"},
		{"raise ExceptionGroup('many', [ValueError(1), KeyError(2)])", "KeyError: 2\n"},
		{"open('m.py', 'w').write('def g():\\n    return 1 / 0\\n')\nimport sys; sys.path.insert(0, '.')\nimport m\nm.g()",
			"File /mnt/data/m.py:2, in g()\n      1 def g():\n----> 2     return 1 / 0\n\nZeroDivisionError"},
		{"g = {'__name__': 'x', '__loader__': 3}\nexec(compile('1/0', 'nowhere', 'exec'), g)", "File nowhere:1\n\nZeroDivisionError: division by zero\n"},
		{"import signal\ndef ring(*a): raise ValueError\nsignal.signal(signal.SIGALRM, ring)\nsignal.raise_signal(signal.SIGALRM)",
			"----> 4 signal.raise_signal(signal.SIGALRM)\n\nCell In[9], line 2, in ring(*a)\n"},
		{"import concurrent.futures as f\nraise f.CancelledError('x')", "\nCancelledError: x\n"},
	} {
		r := run(t, m, "k", c.code)
		if r.Status != StatusError {
			t.Errorf("%q: got status %s", c.code, r.Status)
		}
		if got := r.Text(); i < 2 && got != c.want {
			t.Errorf("%q: (-want +got):\n%s", c.code, cmp.Diff(c.want, got))
		} else if !strings.Contains(got, c.want) {
			t.Errorf("%q: got\n%s\nwant it to contain\n%s", c.code, got, c.want)
		}
	}
}
