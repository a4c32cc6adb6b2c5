package sandbox

import (
	"strings"
	"testing"
)

// fontProbe draws texts and compares what comes out. Letters that no font has come
// with a warning, and look the same within a script.
const fontProbe = `
import warnings, logging
warnings.simplefilter('error')
logging.getLogger('matplotlib.font_manager').handlers = [type('H', (logging.Handler,), {'emit': lambda self, r: print(r.getMessage())})()]
import numpy as np, matplotlib.pyplot as plt
def draw(text, **how):
    f = plt.figure(figsize=(6, 1)); t = f.text(0.02, 0.3, text, fontsize=24, **how)
    f.canvas.draw(); pixels, width = np.asarray(f.canvas.buffer_rgba()).copy(), t.get_window_extent().width
    plt.close(f)
    return pixels, width
def differ(a, b, **how):
    (one, _), (other, _) = draw(a, **how), draw(b, **how)
    return bool(one.min() < 128 and other.min() < 128 and (one != other).any())
def narrower(a, *parts):
    return bool(draw(a)[1] < 0.95 * sum(draw(p)[1] for p in parts))
`

func TestFonts(t *testing.T) {
	t.Parallel()
	m, key := shared(t)
	needPackages(t, m, "matplotlib", "numpy")
	if got := run(t, m, key, "import importlib.util as u\nall(u.find_spec(n) for n in ('noto_cjk_sans_otc', 'manimgx_fonts'))").Text(); got != "True\n" {
		unavailable(t, "packages with fonts; prepare the environment anew (understudy setup)")
	}
	run(t, m, key, fontProbe)
	for _, c := range []struct{ name, code string }{
		{"Chinese", "differ('图', '表')"},
		{"Chinese, traditional", "differ('圖', '錶')"},
		{"Japanese", "differ('グ', 'ラ')"},
		{"Han of Japan", "bool((draw('骨', family='Noto Sans CJK JP')[0] != draw('骨', family='Noto Sans CJK SC')[0]).any())"},
		{"Korean", "differ('차', '트')"},
		{"Arabic", "differ('م', 'ح')"},
		{"Arabic letters join", "narrower('ببب', 'ب', 'ب', 'ب')"},
		{"Hindi", "differ('ह', 'न')"},
		{"Hindi letters combine", "narrower('क्ष', 'क', 'ष')"},
		{"Hindi vowels move", "differ('कि', 'क')"},
		{"Tamil", "differ('த', 'ம')"},
		{"Thai", "differ('ภ', 'ษ')"},
		{"Hebrew", "differ('ש', 'ל')"},
		{"emoji", "differ('🚀', '📈')"},
		{"emoji with a selector", "differ('❤️', '✅')"},
		{"all in one", "differ('a 中 हि 🚀', 'a 文 हि 🚀')"},
		{"bold", "differ('图', '表', weight='bold')"},
		{"another font", "differ('图', '表', family='monospace')"},
		{"a font of other systems", "differ('图', '表', family='SimHei')"},
		{"after a theme", "import seaborn\nseaborn.set_theme()\ndiffer('图', '表')"},
		{"after a style", "plt.style.use('ggplot')\ndiffer('图', '表')"},
		{"list of fonts replaced", "plt.rcParams['font.sans-serif'] = ['SimHei', 'Arial']\ndiffer('图', '表')"},
		{"default again", "plt.rcdefaults()\ndiffer('图', '表')"},
		{"PDF and SVG", "plt.plot([1]); plt.title('图 हि 🚀'); plt.savefig('x.pdf'); plt.savefig('x.svg'); plt.close()\nTrue"},
		{"a child process", "import subprocess, sys\nsubprocess.run([sys.executable, '-c', 'import matplotlib.font_manager as f; print(f.findfont(\"SimHei\"))'], capture_output=True, text=True).stdout.strip().endswith('CJK-Regular.ttc')"},
	} {
		if r := run(t, m, key, c.code); r.Status != StatusOK || strings.TrimSpace(r.Text()) != "True" {
			t.Errorf("%s: %s: got %s", c.name, c.code, r.Text())
		}
	}
}
