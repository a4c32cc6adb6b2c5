package sandbox

import (
	"strings"
	"testing"
)

// TestHints runs what a sandbox denies and looks for the line that says so, behind
// the traceback where there is one.
func TestHints(t *testing.T) {
	t.Parallel()
	m, key := shared(t)
	needPackages(t, m, "pandas")
	const (
		network = "This sandbox has no network"
		write   = "Only /mnt/data and /tmp can be written to"
		install = "nothing can be installed"
	)
	for _, c := range []struct{ name, code, want string }{
		{"connection", "import socket; socket.create_connection(('192.0.2.1', 80), 2)", network},
		{"name", "import socket; socket.gethostbyname('example.com')", network},
		{"urllib", "import urllib.request; urllib.request.urlopen('http://example.com')", network},
		{"requests", "import requests; requests.get('https://example.com', timeout=2)", network},
		{"pandas", "import pandas as pd; pd.read_csv('https://example.com/x.csv')", network},
		{"shell", "!git clone https://example.com/x.git", network},
		{"magic", "%pip install x", install},
		{"pip", "!pip3 install x", install},
		{"pip as module", "!python3 -m pip install x", install},
		{"pip as child", "import subprocess, sys; _ = subprocess.run([sys.executable, '-m', 'pip', 'install', 'x'], capture_output=True)", install},
		{"pip by os", "import os; _ = os.system('pip install x 2>/dev/null')", install},
		{"package", "import nosuchpackage", "The package nosuchpackage is not in this sandbox"},
		{"module of a package", "import json.nosuchmodule", ""},
		{"file", "open('/etc/x', 'w')", write},
		{"folder", "import os; os.makedirs('/data/x')", write},
		{"table", "pd.DataFrame().to_csv('/out.csv')", write},
		{"file elsewhere", "open('/home/user/data.csv')", "The files of this session are in /mnt/data"},
		{"file that is missing", "open('data.csv')", ""},
		{"threads", "import threading\nover = threading.Event()\ntry:\n    for _ in range(300): threading.Thread(target=over.wait).start()\nfinally: over.set()", "A session may have only so many processes"},
		{"input", "input('name? ')", "Nobody can type"},
		{"password", "import getpass; getpass.getpass()", "Nobody can type"},
		{"no room", "with open('/tmp/big', 'wb') as f:\n    while True: f.write(bytes(1 << 20))", "There is no room left: /mnt/data holds"},
		{"room again", "os.remove('/tmp/big')", ""},
		{"picture of plotly", "import plotly.graph_objects as go; go.Figure().write_image('x.png')", "Pictures of plotly figures need a browser"},
		{"caught", "try: open('/etc/x', 'w')\nexcept OSError as e: print('caught')", ""},
		{"behind another", "try: open('/etc/x', 'w')\nexcept OSError as e: raise ValueError('bad')", write},
		{"not the sandbox", "1/0", ""},
		{"raised by hand", "raise OSError(1, 'x')", ""},
		{"with odd attributes", "class E(OSError):\n    errno = property(lambda self: 1/0)\nraise E('x')", ""},
	} {
		got := run(t, m, key, c.code).Text()
		hint := got[strings.LastIndex(strings.TrimSuffix(got, "\n"), "\n")+1:]
		if c.want == "" {
			if strings.Contains(got, "Hint:") {
				t.Errorf("%s: got %q, want no hint", c.name, hint)
			}
		} else if !strings.Contains(hint, c.want) {
			t.Errorf("%s: got %q, want %q in the last line", c.name, got, c.want)
		}
	}
}
