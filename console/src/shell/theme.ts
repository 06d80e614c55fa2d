// Light or dark: the system's choice until the person makes one. public/theme.js
// applies it before the first paint.
import { useState } from "react";

const mark = "pf-v6-theme-dark";

export function useTheme(): [boolean, () => void] {
  const [dark, setDark] = useState(() => document.documentElement.classList.contains(mark));
  const flip = () => {
    document.documentElement.classList.toggle(mark, !dark);
    try {
      localStorage.setItem("theme", dark ? "light" : "dark");
    } catch {
      // storage is off: the choice lasts as long as the page
    }
    setDark(!dark);
  };
  return [dark, flip];
}
