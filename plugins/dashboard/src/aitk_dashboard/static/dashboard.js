// Keeps pages up to date and asks before changes. Everything works without it, but for the curves.
import { follow } from "./live.js";
import { askFirst } from "./asking.js";
import { drawCurves } from "./curves.js";
import { viewPictures } from "./viewer.js";

follow();
askFirst();
viewPictures();
drawCurves();
