// Times as a person reads them.

function onTheClock(seconds) {
  const two = (number) => String(number).padStart(2, "0");
  const [hours, minutes] = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60];
  if (hours >= 48) {
    const days = new Intl.NumberFormat(language, { style: "unit", unit: "day", unitDisplay: "long" });
    return days.format(Math.floor(hours / 24));
  }
  return hours ? `${hours}:${two(minutes)}:${two(seconds % 60)}` : `${minutes}:${two(seconds % 60)}`;
}

// Hour and minute for the person who looks at it, with the day unless it is today.
function clockTime(at, { timeZone }) {
  const format = (time, options) => {
    try {
      return new Intl.DateTimeFormat(timeLocale, { ...options, timeZone }).format(time);
    } catch {
      return new Intl.DateTimeFormat("en-GB", options).format(time); // no such locale or time zone
    }
  };
  const day = { weekday: "short", day: "numeric", month: "short" };
  const today = format(at, day) === format(Date.now(), day);
  return format(at, { hour: "2-digit", minute: "2-digit", ...(today ? {} : day) });
}
