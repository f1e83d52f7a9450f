"""Getters, setters and delegations, in every language with functions, whole and cut; and what is more than that."""

from __future__ import annotations

import difflib
import inspect
import json
import textwrap
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from indexer.build import build
from indexer.sources import open_source
from provenance.accessors import LONGEST, TOKENS, holds_accessors_alone
from provenance.index import Index
from provenance.lexing.languages import FAMILIES
from provenance.tracing import trace

BLOCKS = {
    "python": '''
    @property
    def tariff(self) -> Tariff:
        """What is paid."""
        return self._tariff

    @tariff.setter
    def tariff(self, value: Tariff) -> None:
        self._tariff = value

    def close(self): return self._inner.close()
''',
    "java": """
    /** The name. */
    @Override
    public Map<String, List<Name>> getName() throws IOException {
        return this.name;
    }

    public Builder withName(final String name) { this.name = name; return this; }

    @Override public int compareTo(Name other) {
        return delegate().compareTo(other, Order.of(name));
    }
    private final boolean sealed;
""",
    "javascript": """
  get tariff() { return this._tariff; },
  setTariff(value) {
    this._tariff = value
    return this
  },
exports.name = function () { return this._name; };
""",
    "typescript": """
  public get tariff(): Tariff | undefined { return this._tariff; }
  set tariff(value: Tariff | undefined) { this._tariff = value; }
  const selectMeter = (state: State) => state.meter
  const selectQuarter = (state: State) => state.quarter
""",
    "go": """
func (m Meter) Value() interface{} { return m.value }
func (x *Meter) GetSerial() string {
	if x != nil {
		return x.Serial
	}
	return ""
}

func (m *Meter) SetQuarter(q Quarter) {
	m.quarter = q
}
""",
    "rust": """
    #[inline]
    pub fn serial(&self) -> &str {
        &self.serial
    }
    pub fn with(mut self, quarter: Quarter) -> Self {
        self.quarter = quarter;
        self
    }
""",
    "c": """
struct quarter *
meter_quarter(const struct meter *m)
{
	return m->quarter;
}

void meter_set_quarter(struct meter *m, struct quarter *q)
{
	m->quarter = q;
}
""",
    "cpp": """
  int serial() const noexcept { return serial_; }
  void set_serial(int serial) { serial_ = serial; }
""",
    "csharp": """
  public int Serial { get { return serial; } set { serial = value; } }
  public Tariff Tariff { get; set; }
  public Quarter Quarter => quarter;
  public void Close() { inner.Close(); }
""",
    "php": """
    public function getTariff(): ?Tariff
    {
        return $this->tariff;
    }
    public function setTariff(Tariff $tariff): self
    {
        $this->tariff = $tariff;
        return $this;
    }
""",
    "ruby": """
  attr_reader :meter
  def tariff
    @tariff
  end
  def tariff=(value)
    @tariff = value
  end
""",
}
LOGIC = {
    "python": "    def owed(self, day):\n        return self.rate * self.days[day] + 7\n",
    "java": "    int owed(int day) { for (int d : days) { rate += d; } return rate; }\n",
    "javascript": "  owed(day) { if (day > 7) { return this.rate; } return this.days[day]; },\n",
    "typescript": "  owed(day: number) { return this.rate * this.days[day]; }\n",
    "go": "func (m *Meter) Owed(day int) int {\n\tm.a()\n\tm.b()\n\treturn m.c()\n}\n",
    "rust": "    fn owed(&self, day: usize) -> u32 { self.days.iter().map(|d| d << 2).sum() }\n",
    "c": "int owed(struct meter *m)\n{\n\twhile (m->next)\n\t\tm = m->next;\n\treturn m->rate;\n}\n",
    "cpp": "  int owed(int day) const { return rate_ * days_[day]; }\n",
    "csharp": "  public int Owed(int day) { return rate ^ days[day]; }\n",
    "php": "    public function owed(int $day) { return $this->rate % $this->days[$day]; }\n",
    "ruby": "  def owed(day)\n    @days[day] * @rate\n  end\n",
}


def holds(text: str, family: str) -> bool:
    source = text.encode()
    return holds_accessors_alone(source, 0, len(source), FAMILIES[family])


@pytest.mark.parametrize("family", BLOCKS)
def test_a_block_of_accessors_is_known_and_a_function_beside_it_is_seen(family: str) -> None:
    assert holds(BLOCKS[family], family)
    assert not holds(BLOCKS[family] + LOGIC[family], family)
    assert not holds(LOGIC[family] + BLOCKS[family], family)
    assert not holds(LOGIC[family] * 2, family)


@pytest.mark.parametrize("family", BLOCKS)
def test_the_outer_ones_may_be_cut_between_words(family: str) -> None:
    block = (BLOCKS[family] * 5).encode()
    blanks = [at for at in range(len(block)) if block[at : at + 1].isspace()]
    first = block.index(b"return") if b"return" in block else len(block) // 9
    for start in (at for at in blanks if at < first):
        for end in (at for at in blanks[-40:] if not block[:at].rstrip().endswith((b"=", b"=="))):
            assert holds_accessors_alone(block, start, end, FAMILIES[family]), block[start:end]


def test_long_blocks_are_looked_at_up_to_a_bound() -> None:
    block = BLOCKS["java"].encode()
    java = FAMILIES["java"]
    long = block * (LONGEST // len(block))
    assert holds_accessors_alone(long, 0, len(long), java)
    assert not holds_accessors_alone(long + block, 0, len(long) + len(block), java)
    behind = long[: LONGEST // 2] + LOGIC["java"].encode()
    assert not holds_accessors_alone(behind, 0, len(behind), java)


@pytest.mark.parametrize(
    ("family", "text"),
    [
        ("python", textwrap.indent(inspect.getsource(difflib.SequenceMatcher.find_longest_match), "")),
        ("python", inspect.getsource(difflib.SequenceMatcher.get_opcodes)),
        ("python", "    def one(self):\n        return self._one\n"),  # one alone may be somebody's own
        ("python", "x = 1\ny = 2\nz = f(x, y)\nprint(z)\n"),
        ("java", "void a() { a(); b(); c(); }\nvoid b() { return; }"),
        ("java", "Object a() { return f(" + ", ".join(f"a{n}" for n in range(TOKENS)) + "); }\nint b() { return b; }"),
        ("java", 'String a() { return "' + "where " * 50 + '"; }\nString b() { return b; }'),
        ("javascript", "const a = { b: 1, c: [1, 2, 3] };\nconst d = { e: 'f' };"),
        ("javascript", "on(a, function () { each(b, function (c) { d(c); }); });"),
        (
            "go",
            "func (x *T) A() int {\n\tif x.a > 7 {\n\t\treturn 1\n\t}\n\treturn 0\n}\nfunc (x *T) B() int { return b }",
        ),
        ("go", 'func x() {\n\tt.Run("a", func(t *T) { a(t) })\n\tt.Run("b", func(t *T) { b(t) })\n}\n'),
        ("go", "r := new(T)\nr.On(a, func(w W) { w.a() })\nr.On(b, func(w W) { w.b() })\n"),
        ("rust", "Expr::A(x) => { f(x) }\nExpr::B(x) => { g(x) }\n"),
        ("javascript", "stdin.on('a', function (b) { c(b); });\nstdin.on('d', function () { e(); });\n"),
        (
            "javascript",
            "const open = (s) => s.meters.filter(m => m.open)\nconst by = (s, n) => s.meters.find(m => m.n === n)\n",
        ),
        ("javascript", "const both = (...f) => x => f.at(x)\nconst twice = f => x => f(f(x))\n"),
        ("javascript", "app.get('/a', (q, r) => r.json(a.all()));\napp.post('/a', (q, r) => r.json(a.add(q)));\n"),
        ("typescript", "open(s: S) { return s.meters.map(m => m.id); }\nget one() { return this.one; }\n"),
        ("csharp", "public int A => items.Sum(i => i.Price);\npublic int B => b;\n"),
        ("java", "Order a() { return (x, y) -> x.rank().compareTo(y.rank()); }\nint b() { return b; }"),
        ("php", "public function a() { return array_map(fn($y) => $y->id, $x); }\npublic function b() { return $b; }"),
        ("c", "int a(int x) { return x >> 3; }\nint b(int x) { return x >> 7; }\n"),
        (
            "go",
            "m.Has() {\n\t\treturn m.up.Error()\n\t}\n\treturn func(m *M, err error) error {\n\t\treturn err\n\t}\n}\n",
        ),
        ("text", BLOCKS["java"]),
        ("java", ""),
        ("java", "}}}}{{{{;;;"),
    ],
)
def test_more_than_accessors_is_no_run_of_them(family: str, text: str) -> None:
    assert not holds(text, family)


@pytest.mark.parametrize(
    ("family", "text"),
    [
        ("typescript", "onChange(f: (v: V) => void): void;\nget a() { return this.a; }\nget b() { return this.b; }\n"),
        ("typescript", "const a = (f: (v: V) => V) => f.a\nconst b = (s: S) => s.b\n"),
        ("php", "public function a() { return ['a' => 'one']; }\npublic function b() { return $this->b; }"),
        ("java", "Map<A, List<B>> a() { return a; }\nList<List<B>> b() { return new ArrayList<List<B>>(b); }"),
    ],
)
def test_types_and_arrays_with_arrows_are_no_functions(family: str, text: str) -> None:
    assert holds(text, family)


@given(st.sampled_from(sorted(FAMILIES)), st.text(alphabet="{}()[];:=>. \nadefcls\"'@", max_size=200))
def test_anything_gets_an_answer(family: str, text: str) -> None:
    assert holds(text, family) in (True, False)


def test_a_copied_block_is_shown_and_raises_no_alarm_and_a_function_does(tmp_path: Path) -> None:
    block = "public class Meter {\n" + BLOCKS["java"] + BLOCKS["java"].replace("ame", "ariff").replace("ealed", "old")
    logic = """
    int owed(Quarter quarter, int[] readings) {
        int owed = tariff.base(quarter) * 17;
        for (int reading : readings) {
            owed += Math.floorMod(reading, quarter.days()) * tariff.rate(reading);
        }
        return owed >>> 3;
    }
"""
    rows = tmp_path / "rows.jsonl"
    rows.write_text(json.dumps({"content": block + logic + "}\n", "repository": "a/b", "path": "Meter.java"}) + "\n")
    build([open_source(str(rows))], tmp_path / "index", workers=1)
    with Index.open(tmp_path / "index") as index:
        (span,) = trace(index, block.split("\n", 2)[2]).spans
        assert span.common_by == "accessors" and span.documents == 1
        renamed = trace(index, block.split("\n", 2)[2].replace("ariff", "eter")).spans
        assert renamed and {each.common_by for each in renamed} <= {"accessors", "short"}
        (function,) = trace(index, logic).spans
        assert not function.span.common
        assert not trace(index, block + logic).spans[0].span.common
