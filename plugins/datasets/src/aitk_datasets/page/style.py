"""How the page looks; its hash is what the page's policy lets in."""

from __future__ import annotations

from typing import Final

STYLE: Final = """
:root{color-scheme:light dark;--ground:#fff;--panel:#f6f8fa;--cell:#eef0f3;--edge:#d0d6dc;
--ink:#1f2328;--faint:#57606a;--critical:#b84300;--warning:#8a6100;--sound:#007a5a;--link:#0072b2}
@media (prefers-color-scheme:dark){:root{--ground:#14181d;--panel:#1b2027;--cell:#24292f;
--edge:#3d444d;--ink:#e9edf1;--faint:#a9b3bd;--critical:#ff8a4c;--warning:#f0b429;--sound:#2fc79a;
--link:#56b4e9}}
*{box-sizing:border-box}
body{margin:0 auto;max-width:72rem;padding:2rem 1.5rem 4rem;background:var(--ground);
color:var(--ink);font:16px/1.5 system-ui,sans-serif;overflow-wrap:anywhere}
h1{font-size:1.8rem;line-height:1.2;margin:0 0 .5rem}
h2{font-size:1.35rem;margin:3rem 0 1rem;padding-bottom:.35rem;border-bottom:1px solid var(--edge)}
h3{font-size:1.05rem;margin:0 0 .35rem}
h4{font-size:.95rem;margin:.75rem 0 .1rem}
p,ul,dl{margin:0 0 .75rem}
a{color:var(--link)}
code{font:.85em ui-monospace,monospace;color:var(--faint);font-weight:400}
.verdict{font-size:1.15rem;font-weight:600;margin-bottom:1.25rem}
.critical{color:var(--critical)}.warning{color:var(--warning)}.sound{color:var(--sound)}
.info,.insufficient_evidence,.faint{color:var(--faint)}
.numbers{display:grid;grid-template-columns:repeat(auto-fill,minmax(11rem,1fr));gap:.75rem}
.numbers div{background:var(--panel);border:1px solid var(--edge);border-radius:.5rem;
padding:.6rem .8rem}
.numbers dt{font-size:.85rem;color:var(--faint)}
.numbers dd{margin:0;font-size:1.2rem;font-weight:600}
.contents{columns:15rem;padding-left:1.2rem;font-size:.95rem}
article{margin:0 0 1.5rem;padding:1rem 1.1rem;background:var(--panel);border:1px solid var(--edge);
border-radius:.5rem}
article>p{max-width:48rem}
article ul{padding-left:1.2rem}
.tiles{display:grid;grid-template-columns:repeat(auto-fill,minmax(9.5rem,1fr));gap:.9rem;
list-style:none;padding:0!important;margin:.9rem 0 0}
.group .tiles{grid-template-columns:repeat(auto-fill,minmax(13rem,1fr))}
figure{margin:0}
.frame{position:relative;display:flex;align-items:center;justify-content:center;
aspect-ratio:4/3;background:var(--cell);border:1px solid var(--edge)}
.frame img{position:absolute;inset:0;width:100%;height:100%;object-fit:scale-down}
.frame span{padding:.5rem;text-align:center;font-size:.85rem;color:var(--faint)}
.keep .frame{outline:4px solid var(--ink)}
.frame .mark{position:absolute;left:0;top:0;background:var(--ink);color:var(--ground);
font-size:.75rem;font-weight:600;padding:.1rem .45rem;text-transform:uppercase;z-index:1}
figcaption{font-size:.85rem;margin-top:.4rem;line-height:1.35}
figcaption small{display:block;color:var(--faint);font-size:.95em}
.chart img{max-width:100%;height:auto;border:1px solid var(--edge);border-radius:.5rem}
.chart{margin:0 0 1.5rem}
footer{margin-top:3rem;font-size:.9rem;color:var(--faint)}
"""
