"""How the page looks: its style sheet, its script, and the colors of training sets.

Colors are Okabe and Ito's, safe for color-blind readers; line styles and markers repeat what colors say.
"""

SERIES = 6
DASHES = ("-", (0, (5, 2)), "-", (0, (1, 1.2)), (0, (6, 2, 1, 2)), (0, (3, 1.5)))
MARKERS = ("o", "s", "D", "^", "v", "P")

CSS = """
:root { color-scheme: light dark; --paper: #fdfdfb; --ink: #1c1c1a; --soft: #62625c; --rule: #d9d8d2;
  --panel: #f4f3ee; --worst: #fbeee6;
  --c0: #0072b2; --c1: #b87a00; --c2: #d55e00; --c3: #009e73; --c4: #b0558a; --c5: #3d9ed6; }
@media (prefers-color-scheme: dark) { :root { --paper: #161715; --ink: #e6e5df; --soft: #a3a299;
  --rule: #3a3b37; --panel: #20211e; --worst: #35251a;
  --c0: #56b4e9; --c1: #e9b949; --c2: #ff8548; --c3: #3fcf9f; --c4: #e29ac4; --c5: #9ad4f5; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--paper); color: var(--ink);
  font: 17px/1.55 Charter, "Bitstream Charter", "Iowan Old Style", Georgia, "Liberation Serif", serif; }
main { max-width: 58rem; margin: 0 auto; padding: 3.5rem 1.5rem 5rem; }
header p, figcaption, table, .numbers, .legend, footer, svg text, .note, caption {
  font-family: system-ui, -apple-system, "Segoe UI", Roboto, Helvetica, "Liberation Sans", sans-serif; }
header p { margin: 0; color: var(--soft); font-size: .82rem; overflow-wrap: anywhere; }
h1 { font-size: 2.1rem; line-height: 1.2; font-weight: 600; margin: .2rem 0 .4rem; overflow-wrap: anywhere; }
h2 { font-size: 1.3rem; font-weight: 600; margin: 3.2rem 0 .8rem; padding-top: .9rem;
  border-top: 1px solid var(--rule); }
p, li { max-width: 42rem; text-wrap: pretty; overflow-wrap: anywhere; }
.verdict { margin: 2rem 0; }
.verdict p { margin: 0 0 .7rem; }
.verdict p:first-child { font-size: 1.24rem; line-height: 1.45; }
.numbers { display: grid; grid-template-columns: repeat(auto-fit, minmax(9rem, 1fr)); gap: 0 1.6rem;
  margin: 2.2rem 0 0; }
.numbers div { border-top: 3px solid var(--rule); padding: .6rem 0 1rem; }
.numbers dt { font-size: .82rem; color: var(--soft); }
.numbers dd { margin: 0; font-size: .78rem; color: var(--soft); overflow-wrap: anywhere; }
.numbers dd:nth-of-type(1) { font-size: 1.75rem; line-height: 1.3; color: var(--ink);
  font-variant-numeric: tabular-nums; }
.scroll { overflow-x: auto; margin: 1rem 0; }
table { border-collapse: collapse; font-size: .84rem; line-height: 1.4; width: 100%;
  font-variant-numeric: tabular-nums; border-bottom: 1.5px solid var(--ink); }
caption, figcaption { text-align: left; color: var(--soft); font-size: .82rem; line-height: 1.45; }
caption { padding-bottom: .7rem; }
caption span { display: inline-block; max-width: 46rem; }
thead th { border-top: 1.5px solid var(--ink); border-bottom: .75px solid var(--ink); font-weight: 600;
  vertical-align: bottom; }
th, td { padding: .42rem .7rem .42rem 0; text-align: right; vertical-align: top; overflow-wrap: break-word; }
th:last-child, td:last-child { padding-right: .3rem; }
th:first-child, td:first-child { padding-left: .3rem; }
tbody tr + tr > * { border-top: .5px solid var(--rule); }
th.word, td.word { text-align: left; }
tbody th { font-weight: 500; }
td small, th small { display: block; color: var(--soft); font-size: .74rem; font-weight: 400;
  white-space: nowrap; }
td.hole { color: var(--soft); font-style: italic; }
tr.worst > * { background: var(--worst); }
tr.worst th small { color: inherit; }
.grid th, .grid td { padding: .35rem .5rem; text-align: center; }
.grid tbody th { text-align: left; position: sticky; left: 0; background: var(--paper); }
.grid td small { white-space: normal; }
small span { white-space: nowrap; }
td.heat { background: color-mix(in srgb, var(--c2) calc(var(--heat) * .62), transparent); }
td.heat small { color: inherit; }
td.framed { outline: 2px solid var(--ink); outline-offset: -2px; font-weight: 600; }
.pairs table { width: auto; min-width: 55%; }
.pairs th, .pairs td { padding-block: .16rem; }
.pairs td { color: var(--soft); overflow-wrap: anywhere; }
.note { font-size: .8rem; color: var(--soft); }
figure { margin: 1rem 0 1.6rem; }
figcaption { margin-top: .3rem; max-width: 46rem; overflow-wrap: anywhere; }
figure > svg { display: block; width: 100%; height: auto; }
.plots { display: grid; grid-template-columns: repeat(auto-fit, minmax(20rem, 1fr)); gap: .4rem 2rem; }
.plots figure { margin: 0 0 1rem; max-width: 27.5rem; }
.plots figcaption { order: -1; color: var(--ink); font-weight: 600; margin: 0 0 .2rem; }
.plots figure { display: flex; flex-direction: column; }
.legend { display: flex; flex-wrap: wrap; gap: .2rem 1.5rem; font-size: .8rem; padding: 0; margin: .8rem 0; }
.legend li { list-style: none; display: flex; align-items: center; gap: .5rem; }
.legend svg { width: 2.2rem; height: .7rem; flex: none; }
.examples { display: grid; grid-template-columns: repeat(auto-fill, minmax(17rem, 1fr)); gap: 1.4rem 2rem; }
.example { margin: 0; break-inside: avoid; }
.views { display: grid; grid-template-columns: repeat(3, 1fr); gap: 4px; }
.views img { display: block; width: 100%; height: auto; background: var(--panel); }
.views img.tiny { image-rendering: pixelated; }
.live .views { grid-template-columns: 1fr 1fr; }
.live .views img { grid-area: 1 / 1; }
.live .views img:nth-child(2) { clip-path: inset(0 0 0 var(--cut, 50%)); }
.live .views img:nth-child(3) { grid-area: 1 / 2; }
.example input { display: block; width: calc(50% - 2px); margin: .5rem 0 0; accent-color: var(--c2); }
@media print {
  :root { --paper: #fff; --ink: #000; --soft: #444; --rule: #bbb; --panel: #fff; --worst: #f1f1f1;
    --c0: #0072b2; --c1: #b87a00; --c2: #d55e00; --c3: #009e73; --c4: #b0558a; --c5: #3d9ed6; }
  body { font-size: 10.5pt; }
  main { max-width: none; padding: 0; }
  .example input { display: none; }
  .live .views { grid-template-columns: repeat(3, 1fr); }
  .live .views img, .live .views img:nth-child(3) { grid-area: auto; clip-path: none !important; }
  .scroll { overflow: visible; }
  h2, figcaption, caption, .legend, .note { break-after: avoid; }
  tr, figure { break-inside: avoid; }
}
"""

SCRIPT = """
for (const example of document.querySelectorAll(".example")) {
  const views = example.querySelector(".views");
  const slider = document.createElement("input");
  slider.type = "range";
  slider.min = 0;
  slider.max = 100;
  slider.value = 50;
  slider.setAttribute("aria-label", "share of the clean image shown, from the left");
  slider.addEventListener("input", () => views.style.setProperty("--cut", slider.value + "%"));
  views.after(slider);
  example.classList.add("live");
}
"""
