// How the page looks, and the few lines that make tips and tables move. All of it works without the script.
#include "report/sections.h"

namespace lowbit::report {
namespace {

constexpr char kStyleSheet[] = R"css(:root {
  color-scheme: light dark;
  --page: #faf9f6; --card: #ffffff; --ink: #1b1f27; --soft: #5d6572; --line: #e4e1d9; --track: #eeece6;
  --base: #6a7b94; --low: #c4561b; --quiet: #b9bdc5; --mark: #fbe3c4;
  --s0: #c4561b; --s1: #2f6fae; --s2: #2f8f5b; --s3: #8a4fa8; --s4: #a37d00; --s5: #c23a6b; --s6: #1f8a99; --s7: #6b6f76;
  --sans: ui-sans-serif, system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif;
  --mono: ui-monospace, SFMono-Regular, Menlo, Consolas, "Liberation Mono", monospace;
}
@media (prefers-color-scheme: dark) {
  :root {
    --page: #13161b; --card: #1a1e25; --ink: #e7e5e0; --soft: #9ba4b0; --line: #2c323b; --track: #262b33;
    --base: #8ba0bd; --low: #ee9350; --quiet: #59616d; --mark: #5a3c1d;
    --s0: #ee9350; --s1: #6cabea; --s2: #66c592; --s3: #c292dc; --s4: #d8b43f; --s5: #f07ba3; --s6: #5cc3d2;
    --s7: #a5aab2;
  }
}
* { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; }
body { margin: 0; background: var(--page); color: var(--ink); font: 15px/1.5 var(--sans); }
main { max-width: 1120px; margin: 0 auto; padding: 40px 24px 72px; }
h1, h2, h3, h4, p, dl, ul, figure, blockquote, pre { margin: 0; }
h1 { font-size: clamp(26px, 4.6vw, 42px); line-height: 1.12; letter-spacing: -.02em; font-weight: 700; }
h2 { font-size: 21px; line-height: 1.25; letter-spacing: -.01em; }
h3 { font-size: 13px; font-weight: 600; }
h3 small, em small { font-weight: 400; color: var(--soft); font-size: inherit; }
h4 { font-size: 12px; font-weight: 600; color: var(--soft); }
code, pre { font-family: var(--mono); font-size: .92em; }
section { margin-top: 52px; }
.example { background: var(--mark); text-align: center; padding: 6px 16px; font-size: 13px; }
.eyebrow { color: var(--soft); font-size: 13px; margin-bottom: 8px; }
.sub { font-size: clamp(17px, 2.4vw, 22px); color: var(--soft); margin-top: 8px; }
.command { margin-top: 20px; padding: 10px 14px; background: var(--track); border-radius: 6px; font-size: 13px;
  white-space: pre-wrap; overflow-wrap: anywhere; }
.lead { color: var(--soft); margin-top: 4px; max-width: 90ch; }
.small { color: var(--soft); font-size: 12.5px; }
.cards { margin-top: 28px; display: grid; gap: 14px; grid-template-columns: repeat(5, 1fr); }
.card, .panel { background: var(--card); border: 1px solid var(--line); border-radius: 8px; padding: 14px 16px;
  min-width: 0; }
.card h3 { color: var(--soft); }
.card .small { margin-top: 6px; }
.big { font-size: 27px; line-height: 1.2; font-weight: 650; letter-spacing: -.02em; margin: 2px 0 8px; }
.row { display: grid; grid-template-columns: 4.6em 1fr 4.6em; gap: 8px; align-items: center; font-size: 12.5px;
  line-height: 1.7; }
.row > span:first-child:not(.track) { color: var(--soft); overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
.row b { font-weight: 500; text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
.cards .row { grid-template-columns: auto 1fr auto; }
.cards .row > span:first-child:not(.track) { min-width: 4.1em; }
.track { background: var(--track); height: 8px; border-radius: 4px; overflow: hidden; }
.track i { display: block; height: 100%; border-radius: 4px; }
i.base, .keys i.base { background: var(--base); }
i.low { background: var(--low); }
i.quiet { background: var(--quiet); }
.columns { display: grid; grid-template-columns: repeat(2, minmax(0, 1fr)); gap: 14px; margin-top: 16px; }
.pair { margin-top: 9px; }
.side { display: grid; grid-template-columns: 7.5em 1fr; gap: 10px; align-items: center; }
.side .row { grid-template-columns: 1fr 4em; line-height: 1.35; }
.panel > .keys { margin-left: 0; }
.pair em { font-style: normal; font-size: 13px; overflow-wrap: anywhere; }

.maps { margin-top: 16px; display: grid; gap: 14px; }
.maps > input, .maps > label { display: none; }
.map { display: grid; gap: 2px; margin-top: 10px;
  grid-template-columns: max-content repeat(var(--layers), minmax(0, 1fr)); }
.map b { font-size: 11px; font-weight: 400; color: var(--soft); line-height: 22px; white-space: nowrap; }
.map .kind { grid-column: 1; grid-row: calc(var(--k) + 2); padding-right: 8px; }
.map .layer { grid-row: 1; grid-column: calc(var(--l) + 2); text-align: center; line-height: 16px; min-width: 0; }
.map .minor { visibility: hidden; }
.map i, .ramp i.none { background: repeating-linear-gradient(135deg, var(--track) 0 3px, var(--line) 3px 4px); }
.map i { grid-row: calc(var(--k) + 2); grid-column: calc(var(--l) + 2); height: 22px; border-radius: 2px;
  font: 10.5px/22px var(--sans); font-variant-numeric: tabular-nums; text-align: center; overflow: hidden; }
.map.dense { gap: 1px; }
.map.dense i { font-size: 0; border-radius: 0; }
.apart { margin-top: 14px; font-size: 12.5px; }
.apart p { color: var(--soft); margin-bottom: 3px; }
.apart b { color: var(--ink); font-weight: 600; }
.parts { display: flex; gap: 2px; }
.parts i { flex: 1 1 0; min-width: 2px; height: 26px; border-radius: 2px; font: 11.5px/26px var(--sans);
  overflow: hidden; display: flex; flex-wrap: wrap; }
.parts i::before { content: ""; width: 1px; height: 26px; } /* a label that does not fit wraps out of sight */
.parts span { padding: 0 5px; white-space: nowrap; }
.legend { list-style: none; padding: 0; margin-top: 14px; display: grid; gap: 4px 18px; font-size: 12.5px;
  grid-template-columns: repeat(auto-fill, minmax(250px, 1fr)); }
.legend i { display: inline-block; width: 28px; text-align: center; border-radius: 2px; font: 10.5px/18px var(--sans);
  margin-right: 7px; }
.legend b { font-weight: 600; }
.legend span { color: var(--soft); }
.ramp { display: flex; align-items: center; gap: 8px; margin-top: 10px; font-size: 12px; color: var(--soft); }
.ramp i { width: 160px; height: 10px; border-radius: 2px; }
.ramp i.none { width: 18px; margin-left: 14px; }
.scroll { overflow-x: auto; }

.plot { margin-top: 14px; padding: 0 8px 0 46px; }
.plot figcaption { font-size: 12.5px; color: var(--soft); margin: 0 0 8px -46px; }
.area { position: relative; border-bottom: 1px solid var(--soft); }
.area svg { position: absolute; inset: 0; width: 100%; height: 100%; overflow: visible; }
.plot polyline { fill: none; stroke-width: 2; vector-effect: non-scaling-stroke; stroke-linejoin: round; }
.plot path { fill: none; vector-effect: non-scaling-stroke; stroke-width: 1; }
.plot .grid { stroke: var(--line); }
.plot polyline.base { stroke: var(--base); }
.plot polyline.low { stroke: var(--low); }
.s0 { --own: var(--s0); } .s1 { --own: var(--s1); }
.s2 { --own: var(--s2); } .s3 { --own: var(--s3); }
.s4 { --own: var(--s4); } .s5 { --own: var(--s5); }
.s6 { --own: var(--s6); } .s7 { --own: var(--s7); }
.plot polyline[class^=s], .plot path[class^=s] { stroke: var(--own); }
.keys i[class^=s], .track i[class^=s] { background: var(--own); }
.row.wide { grid-template-columns: 7em 1fr 5.2em; }
.plot path.low { stroke: var(--low); stroke-width: 1.5; }
.plot rect.base { fill: var(--base); }
.plot rect.low { fill: var(--low); }
.plot rect.foot { fill: var(--card); }
.plot rect.hover { fill: transparent; }
.plot rect.hover:hover { fill: var(--quiet); fill-opacity: .3; }
.ys span { position: absolute; right: calc(100% + 7px); transform: translateY(50%); white-space: nowrap;
  font-size: 11.5px; line-height: 1; color: var(--soft); font-variant-numeric: tabular-nums; }
.xs { position: relative; height: 20px; }
.xs span { position: absolute; top: 5px; transform: translateX(-50%); white-space: nowrap; font-size: 11.5px;
  line-height: 1; color: var(--soft); font-variant-numeric: tabular-nums; }
.xtitle { text-align: center; font-size: 12.5px; color: var(--soft); }
.dot { width: 11px; height: 11px; border-radius: 50%; border: 2px solid var(--low); background: var(--low); }
.marks .dot { position: absolute; transform: translate(-50%, 50%); }
.dot.hollow { background: var(--card); }
.dot.other { border: 1px solid var(--soft); background: var(--page); color: var(--ink); width: 17px; height: 17px;
  font: 600 10px/15px var(--sans); font-style: normal; text-align: center; }
#curve .legend { margin-left: 46px; }
#curve .legend .dot { border-radius: 50%; width: 17px; font: 600 10px/15px var(--sans); }
.keys { display: flex; flex-wrap: wrap; gap: 2px 18px; font-size: 12.5px; color: var(--soft); margin: 10px 0 0 46px; }
.keys i { display: inline-block; width: 16px; height: 3px; margin-right: 7px; vertical-align: 3px; }
.keys i.dot { width: 10px; height: 10px; vertical-align: -1px; }
#histograms .plot, #values .plot { padding: 0; }
#histograms .ys, #histograms .grid, #values .ys, #values .grid { display: none; }
#values .panel { margin-top: 14px; }

.prompt { margin-top: 14px; padding-left: 12px; border-left: 3px solid var(--base); font-size: 16px; }
.said, .prompt, blockquote { white-space: pre-wrap; overflow-wrap: anywhere; unicode-bidi: isolate; }
.said { margin-top: 6px; }
.panel.before { border-top: 3px solid var(--base); }
.panel.after { border-top: 3px solid var(--low); }
.worst blockquote { margin: 6px 0 10px; font: 15px/1.45 Georgia, "Times New Roman", serif; }
mark { background: var(--mark); color: inherit; border-radius: 2px; }
.tops { display: grid; grid-template-columns: 1fr 1fr; gap: 20px; }
.tops .row { grid-template-columns: minmax(0, 5.6em) 1fr auto; }
.tops .row > span:first-child:not(.track) { font-family: var(--mono); font-size: 12px; color: var(--ink); }
.tops .next > span:first-child { background: var(--mark); border-radius: 2px; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: 5px 20px; margin-top: 14px; }
dt { color: var(--soft); }
dd { margin: 0; overflow-wrap: anywhere; }
.notes { margin-top: 16px; padding-left: 18px; color: var(--soft); }
summary { cursor: pointer; margin-top: 8px; }
table { border-collapse: collapse; margin-top: 10px; font-size: 12.5px; width: 100%; }
th, td { padding: 3px 10px 3px 0; text-align: left; white-space: nowrap; border-bottom: 1px solid var(--line); }
th { color: var(--soft); font-weight: 600; }
.js th { cursor: pointer; }
th[aria-sort=ascending]::after { content: " \2191"; }
th[aria-sort=descending]::after { content: " \2193"; }
.n { text-align: right; font-variant-numeric: tabular-nums; padding: 3px 0 3px 14px; }
.save { margin-top: 10px; }
button { font: 13px var(--sans); color: var(--ink); background: var(--card); border: 1px solid var(--line);
  border-radius: 6px; padding: 6px 12px; cursor: pointer; }
#tip { position: fixed; z-index: 9; pointer-events: none; white-space: pre-line; background: var(--ink);
  color: var(--page); font-size: 12px; line-height: 1.45; padding: 6px 9px; border-radius: 5px; max-width: 300px;
  overflow-wrap: anywhere; }
#tip[hidden] { display: none; }

@media (min-width: 701px) and (max-width: 1080px) { .map i { font-size: 0; } } /* too narrow for numbers */
@media (max-width: 1000px) { .cards { grid-template-columns: repeat(3, 1fr); } }
@media (max-width: 700px) {
  main { padding: 24px 16px 48px; }
  section { margin-top: 40px; }
  .cards { grid-template-columns: 1fr 1fr; gap: 10px; }
  .cards .card:first-child { grid-column: 1 / -1; }
  .card, .panel { padding: 12px; }
  .columns { grid-template-columns: minmax(0, 1fr); }
  .maps { display: flex; flex-wrap: wrap; gap: 6px; }
  .maps > input { display: block; position: absolute; opacity: 0; pointer-events: none; }
  .maps > label { display: block; border: 1px solid var(--line); border-radius: 16px; padding: 3px 14px;
    font-size: 13px; order: -1; }
  .maps > input:checked + label { background: var(--ink); color: var(--page); }
  .maps > input:focus-visible + label { outline: 2px solid var(--low); }
  .maps > .panel { display: none; width: 100%; margin-top: 6px; }
  #map-bits:checked ~ .bits, #map-loss:checked ~ .loss, #map-error:checked ~ .error { display: block; }
  .map { grid-template-columns: max-content repeat(var(--kinds), minmax(30px, 1fr)); }
  .map .kind { grid-row: 1; grid-column: calc(var(--k) + 2); white-space: normal; padding: 0; text-align: center;
    line-height: 1.2; font-size: 10.5px; align-self: end; }
  .map .layer { grid-column: 1; grid-row: calc(var(--l) + 2); line-height: 16px; padding-right: 6px;
    text-align: right; }
  .map i { grid-row: calc(var(--l) + 2); grid-column: calc(var(--k) + 2); height: 16px; line-height: 16px; }
  .map.dense i { font-size: 10.5px; }
  .legend { grid-template-columns: 1fr; }
  dl { grid-template-columns: 1fr; gap: 0; }
  dd { margin-bottom: 8px; }
  .tops { gap: 14px; }
  .tops .row { grid-template-columns: minmax(0, 4.8em) 1fr auto; gap: 6px; }
}
@media print {
  :root { --page: #fff; --card: #fff; --ink: #000; --soft: #444; --line: #ccc; --track: #eee; --base: #6a7b94;
    --low: #c4561b; --quiet: #b9bdc5; --mark: #fbe3c4; }
  body { font-size: 11pt; }
  * { -webkit-print-color-adjust: exact; print-color-adjust: exact; }
  main { max-width: none; padding: 0; }
  .card, .panel, .plot { break-inside: avoid; }
  h2, h3, .lead { break-after: avoid; }
  .map i { font-size: 0; }
  #raw, #tip, .maps > input, .maps > label { display: none; }
  .maps > .panel { display: block; }
}
)css";

constexpr char kScript[] = R"js((function () {
  'use strict';
  document.documentElement.classList.add('js');
  var tip = document.getElementById('tip');
  function show(event) {
    var target = event.target.closest ? event.target.closest('[data-tip]') : null;
    if (!target) { tip.hidden = true; return; }
    tip.textContent = target.getAttribute('data-tip');
    tip.hidden = false;
    var box = tip.getBoundingClientRect(), x = event.clientX + 12, y = event.clientY + 14;
    if (x + box.width > innerWidth - 8) x = Math.max(8, event.clientX - box.width - 12);
    if (y + box.height > innerHeight - 8) y = Math.max(8, event.clientY - box.height - 12);
    tip.style.left = x + 'px';
    tip.style.top = y + 'px';
  }
  document.addEventListener('pointermove', show);
  document.addEventListener('pointerdown', show);
  document.addEventListener('scroll', function () { tip.hidden = true; }, true);
  document.querySelectorAll('table.sortable th').forEach(function (head) {
    head.addEventListener('click', function () {
      var column = head.cellIndex, body = head.closest('table').tBodies[0];
      var up = head.getAttribute('aria-sort') !== 'ascending';
      head.parentNode.querySelectorAll('th').forEach(function (other) { other.removeAttribute('aria-sort'); });
      head.setAttribute('aria-sort', up ? 'ascending' : 'descending');
      var key = function (row) {
        var cell = row.cells[column], value = cell.getAttribute('data-v');
        return value === null ? cell.textContent : Number(value);
      };
      Array.from(body.rows).map(function (row) { return [key(row), row]; }).sort(function (a, b) {
        var numbers = typeof a[0] === 'number' && typeof b[0] === 'number';
        var order = numbers ? a[0] - b[0] : String(a[0]).localeCompare(String(b[0]), 'en', { numeric: true });
        return up ? order : -order;
      }).forEach(function (pair) { body.appendChild(pair[1]); });
    });
  });
  var save = document.getElementById('save');
  if (save) {
    save.hidden = false;
    save.addEventListener('click', function () {
      var link = document.createElement('a');
      link.href = URL.createObjectURL(new Blob([document.getElementById('results').textContent]));
      link.download = 'results.json';
      link.click();
    });
  }
})();
)js";

}  // namespace

std::string style_sheet() { return kStyleSheet; }

std::string script() { return kScript; }

}  // namespace lowbit::report
