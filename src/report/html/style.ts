import { colourRules } from './colours.ts';

const light = `--page:#f4f6f8;--card:#fff;--ink:#16202c;--soft:#52606f;--line:#d9dfe6;--grid:#e6eaef;--accent:#1f5fbf;--second:#b45309;--third:#0f766e;--theory:#7a3fb8;--bad:#b42318;--warn:#8a5a00;--good:#1a7f4b;--bad-bg:#fdeceb;--warn-bg:#fdf3dc;--good-bg:#e6f5ec;--flag:#b4231814;--code:#eef1f4;color-scheme:light`;
const dark = `--page:#0e1318;--card:#161c23;--ink:#e6ebf1;--soft:#a3afbc;--line:#2c3641;--grid:#242d37;--accent:#6cb0ff;--second:#f0a35e;--third:#4fd1b5;--theory:#cfa6ff;--bad:#ff8a80;--warn:#e8bd55;--good:#5fd68b;--bad-bg:#36191a;--warn-bg:#332a13;--good-bg:#12301f;--flag:#ff8a801f;--code:#222b35;color-scheme:dark`;

/** The page's whole style: light and dark as the reader's system has it, on paper always light. */
export const style = `
:root{${light}}
@media screen and (prefers-color-scheme:dark){:root{${dark}}}
*{box-sizing:border-box}
html{-webkit-text-size-adjust:100%;text-size-adjust:100%}
body{margin:0;background:var(--page);color:var(--ink);font:16px/1.55 system-ui,-apple-system,"Segoe UI",Roboto,"Helvetica Neue","Noto Sans","Liberation Sans",Arial,sans-serif;overflow-wrap:anywhere}
main,header,footer{max-width:980px;margin:0 auto;padding:0 16px}
header{padding-top:28px}
.brand{color:var(--soft);font-size:14px;margin:0 0 2px}
h1{font-size:28px;line-height:1.2;margin:0 0 6px}
h2{font-size:21px;line-height:1.25;margin:0 0 6px}
h3{font-size:16px;margin:22px 0 6px}
p{margin:0 0 10px}
a{color:var(--accent)}
section{background:var(--card);border:1px solid var(--line);border-radius:12px;padding:22px 23px;margin:18px 0}
.facts-line{color:var(--soft);margin:0}
.lead{color:var(--soft);max-width:72ch}
.small,.soft{color:var(--soft);font-size:14.5px}
nav{margin:14px 0 0}
nav ul{list-style:none;display:flex;flex-wrap:wrap;gap:2px 18px;padding:0;margin:0;font-size:14.5px}
code,bdi.name{font-family:ui-monospace,SFMono-Regular,Menlo,Consolas,"DejaVu Sans Mono","Liberation Mono",monospace;font-size:.92em}
h1 bdi.name{font-size:1em;font-family:inherit}
code{background:var(--code);border-radius:4px;padding:1px 5px}
.command{display:block;padding:9px 11px;white-space:pre-wrap;user-select:all}
pre{background:var(--code);border-radius:8px;padding:10px 12px;margin:4px 0 12px;font-size:13.5px;line-height:1.45;overflow-wrap:normal}
pre code{background:none;padding:0;font-size:1em}
.verdict{border-left:6px solid var(--tone);--tone:var(--good)}
.verdict.error{--tone:var(--bad)}.verdict.warning{--tone:var(--warn)}
.verdict h2{color:var(--tone);font-size:27px;display:flex;gap:10px;align-items:baseline}
.headline{font-size:19px;line-height:1.4}
.tiles{display:grid;grid-template-columns:repeat(auto-fit,minmax(170px,1fr));gap:10px;margin:18px 0 4px}
.tiles div{background:var(--page);border-radius:9px;padding:11px 13px;display:flex;flex-direction:column-reverse;justify-content:flex-end}
.tiles dt{color:var(--soft);font-size:13.5px;line-height:1.35}
.tiles dd{margin:0;font-size:23px;font-weight:650;font-variant-numeric:tabular-nums}
sup{font-size:.72em;line-height:0}
.why{border-collapse:collapse;width:100%;margin:4px 0 10px}
.why caption{text-align:left;color:var(--soft);font-size:13.5px;padding-bottom:4px}
.why th,.why td{padding:4px 10px 4px 0;border:0;vertical-align:middle}
.why th{font-weight:500;white-space:nowrap}
.why th,.why .n{width:1%}
.why .meter{width:24%;min-width:60px}
.meter span{display:block;height:11px;border-radius:3px}
.minus{background:#4292c6}.plus{background:#e8720c}
.remedies{margin:0;padding-left:22px}.remedies li{margin:3px 0}
figure{margin:14px 0 0}
figcaption{margin-bottom:6px}
figure.row{display:flex;flex-wrap:wrap;gap:16px}
svg{display:block;max-width:100%;height:auto;font-family:system-ui,-apple-system,"Segoe UI",Roboto,"Noto Sans","Liberation Sans",Arial,sans-serif}
svg .name{font-family:ui-monospace,SFMono-Regular,Menlo,Consolas,"DejaVu Sans Mono","Liberation Mono",monospace}
svg text{fill:var(--ink);unicode-bidi:isolate}
.tick{font-size:11px;fill:var(--soft)!important}
.axis-name{font-size:12px;fill:var(--soft)!important}
.chart-title{font-size:13.5px;font-weight:600}
.note{font-size:14px;font-weight:650}
.halo{paint-order:stroke;stroke:var(--card);stroke-width:4px;stroke-linejoin:round}
.strong{font-weight:650}
path{fill:none}
.grid{stroke:var(--grid)}.axis,.base{stroke:var(--line)}.zero-line{stroke:var(--soft)}
.base{stroke-width:.6}
.measured{stroke:var(--accent)}.second{stroke:var(--second)}.third{stroke:var(--third)}
path.measured,path.second,path.third{stroke-width:2;stroke-linejoin:round}
.predicted{stroke:var(--theory);stroke-width:4.5;stroke-dasharray:7 5;stroke-opacity:.6}
.swatch .predicted{stroke-width:3}
figure+.small{margin-top:10px}
.mark{stroke:var(--soft);stroke-width:1.4;stroke-dasharray:5 4}
.measured.dot,circle.measured{fill:var(--accent);stroke:none}.second.dot{fill:var(--second);stroke:none}
.third.dot,circle.third{fill:var(--third);stroke:none}
.second.ring,circle.second{fill:var(--card);stroke:var(--second);stroke-width:1.6}
.flag{fill:var(--flag)}.swatch .flag{stroke:var(--bad);stroke-width:.7}
.flag-text{fill:var(--bad)!important;font-size:12px;font-weight:600}
.strip{fill:var(--page)}
.zero{fill:var(--card);stroke:var(--bad);stroke-width:1.6}
.broken{stroke:#d6206f;stroke-width:2}.broken-text{fill:#d6206f!important;font-weight:600}
.hover{fill:transparent}.hover:hover{fill:var(--soft);fill-opacity:.1}
.ridge{stroke-width:1.1!important;fill:var(--card);fill-opacity:.8}
.ridge.measured{fill:color-mix(in srgb,var(--accent) 22%,var(--card))}.ridge.third{fill:color-mix(in srgb,var(--third) 22%,var(--card))}
.zero-part{fill:var(--soft)}
.cells{shape-rendering:crispEdges}path.fz{stroke:none;fill:var(--line)}path.cells.fn{fill:#d6206f}
.edge{stroke:var(--soft);stroke-width:1.3;stroke-opacity:.75}
.node .fig{font-variant-numeric:tabular-nums;font-family:ui-monospace,SFMono-Regular,Menlo,Consolas,"DejaVu Sans Mono","Liberation Mono",monospace}
.again rect{stroke:var(--soft);stroke-dasharray:3 3}
.again{opacity:.75}
.key{display:flex;flex-wrap:wrap;gap:4px 16px;margin:8px 0 0;color:var(--soft);font-size:13.5px}
.key>span{display:inline-flex;gap:6px;align-items:center}
.key svg{flex:none}
.scroll{overflow:auto;max-width:100%}
.scroll svg{max-width:none}
.trace{margin-top:10px}
.trace.narrow{max-height:75vh;border:1px solid var(--line);border-radius:8px;padding:4px}
.pair{gap:12px}
.narrow{display:none}.wide{display:block}.wide.pair{display:flex}
.chips{list-style:none;display:flex;flex-wrap:wrap;gap:7px;padding:0;margin:12px 0 0}
.chips li{border:1px solid var(--line);border-radius:8px;padding:4px 9px;font-size:13.5px;display:flex;flex-direction:column}
.chips b{font-size:16px;font-variant-numeric:tabular-nums}
.chips .total{border-color:var(--ink);font-weight:600}
.chips .name{max-width:16ch;overflow:hidden;text-overflow:ellipsis;white-space:nowrap;font-weight:400}
details{margin-top:12px}
summary{cursor:pointer;color:var(--accent);font-size:14.5px}
details .scroll{max-height:440px;margin-top:8px}
table{border-collapse:collapse;font-size:14px}
details table{min-width:min(100%,420px)}
th,td{text-align:left;padding:4px 14px 4px 0;border-bottom:1px solid var(--grid);vertical-align:top;font-weight:400}
thead th{color:var(--soft);position:sticky;top:0;background:var(--card)}
.n{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}
.plans th,.plans td{white-space:nowrap}
.plans td:nth-child(3),.plans td:nth-child(4){white-space:normal}.whole{white-space:nowrap}
.badge{border-radius:99px;padding:1px 10px;font-size:13px;font-weight:600;background:var(--code)}
.badge.error{background:var(--bad-bg);color:var(--bad)}.badge.warning{background:var(--warn-bg);color:var(--warn)}.badge.good{background:var(--good-bg);color:var(--good)}
.finding{border-top:1px solid var(--line);padding-top:12px;margin-top:14px}.finding h3{margin-top:0}
.fates{list-style:none;padding:0}.fates li{margin:5px 0}
.alarm{background:var(--bad-bg);color:var(--bad);border-radius:8px;padding:8px 12px}
.facts{display:grid;grid-template-columns:minmax(90px,max-content) 1fr;gap:6px 18px;margin:10px 0 0}
.facts dt{color:var(--soft)}.facts dd{margin:0;min-width:0}
footer{color:var(--soft);font-size:14px;padding-bottom:40px}
${colourRules}
@media screen and (max-width:719px){
.narrow{display:block}.wide,.wide.pair{display:none}
main,header,footer{padding-left:10px;padding-right:10px}
section{padding:16px 13px;border-radius:10px}
h1{font-size:23px}.verdict h2{font-size:23px}.headline{font-size:17px}
.tiles{grid-template-columns:1fr 1fr}
.why tr{display:grid;grid-template-columns:1fr auto;padding:4px 0}.why th,.why .n{width:1%}
.why .meter{grid-column:1/3;width:auto}.why td:last-child{grid-column:1/3;padding:0;font-size:14.5px;color:var(--soft)}
.facts{grid-template-columns:1fr;gap:0}.facts dd{margin-bottom:8px}
}
@media print{
@page{size:A4;margin:13mm}
body{background:#fff;font-size:11pt}
main,header,footer{max-width:none;padding:0}
section{border:0;border-top:1px solid var(--line);border-radius:0;padding:12px 0;margin:0}
.verdict{border-left:6px solid var(--tone);padding-left:14px}
nav,details{display:none}
figure,.finding,tr,.tiles,.chips{break-inside:avoid}
h2,h3,.lead{break-after:avoid}
pre{white-space:pre-wrap;overflow-wrap:anywhere}
.scroll{overflow:visible;max-height:none}.scroll svg{max-width:100%}
svg{max-height:235mm}
*{print-color-adjust:exact;-webkit-print-color-adjust:exact}
}
`;
