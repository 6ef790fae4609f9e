// Points in time and times that remain, in words.

function onTheClock(seconds) {
  const two = (number) => String(number).padStart(2, "0");
  const [hours, minutes] = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60];
  if (hours >= 48) return `${Math.floor(hours / 24)} days`;
  return hours ? `${hours}:${two(minutes)}:${two(seconds % 60)}` : `${minutes}:${two(seconds % 60)}`;
}

// The hour and minute for the person who looks at it, with the day where that is another.
function clockTime(at, { locale, timeZone }) {
  const format = (time, options) => {
    try {
      return new Intl.DateTimeFormat(locale, { ...options, timeZone }).format(time);
    } catch {
      return new Intl.DateTimeFormat("en-GB", options).format(time); // no such locale or time zone
    }
  };
  const day = { weekday: "short", day: "numeric", month: "short" };
  const today = format(at, day) === format(Date.now(), day);
  return format(at, { hour: "2-digit", minute: "2-digit", ...(today ? {} : day) });
}
