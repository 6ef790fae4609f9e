//! Draws a text as a QR code: as a small PNG, and with characters for a terminal.
//!
//! Both have the quiet zone that scanners need. What is drawn is as secret as the text.

use png::{BitDepth, ColorType, Encoder, Filter};
use qrcode::{Color, EcLevel, QrCode};

/// Light modules around the code (ISO/IEC 18004).
const QUIET_ZONE: usize = 4;
/// Eight, so that one byte of an image with one bit a pixel is one module; large enough for a phone held to a screen.
const PIXELS_PER_MODULE: usize = 8;

const BLACK_ON_WHITE: &str = "\u{1b}[38;5;16;48;5;231m";
const RESET: &str = "\u{1b}[0m";

/// A PNG, black on white; `None` where the text is too long for a QR code (2,331 bytes).
pub(crate) fn png(text: &str) -> Option<Vec<u8>> {
    let rows = modules(text)?;
    let side = u32::try_from(rows.len() * PIXELS_PER_MODULE).ok()?;
    let pixels: Vec<u8> = rows
        .iter()
        .map(|row| row.iter().map(|dark| if *dark { 0x00 } else { 0xff }).collect::<Vec<u8>>())
        .flat_map(|row| row.repeat(PIXELS_PER_MODULE))
        .collect();

    let mut png = Vec::new();
    let mut encoder = Encoder::new(&mut png, side, side);
    encoder.set_color(ColorType::Grayscale);
    encoder.set_depth(BitDepth::One);
    // Filters are for photographs: rows of modules are a third smaller without.
    encoder.set_filter(Filter::NoFilter);
    let mut writer = encoder.write_header().ok()?;
    writer.write_image_data(&pixels).ok()?;
    writer.finish().ok()?;
    Some(png)
}

/// Lines of half blocks in explicit colours, so that dark and light terminals show the same; `None` as for [`png`].
pub(crate) fn terminal(text: &str) -> Option<String> {
    let mut rows = modules(text)?;
    // Two rows make a line, and a code's side is odd.
    rows.push(vec![false; rows.len()]);
    let lines = rows.chunks_exact(2).map(|pair| {
        let [upper, lower] = pair else { return String::new() };
        let blocks: String = upper
            .iter()
            .zip(lower)
            .map(|dark| match dark {
                (true, true) => '█',
                (true, false) => '▀',
                (false, true) => '▄',
                (false, false) => ' ',
            })
            .collect();
        format!("{BLACK_ON_WHITE}{blocks}{RESET}\n")
    });
    Some(lines.collect())
}

/// The code's modules row by row, quiet zone included; `true` is dark.
fn modules(text: &str) -> Option<Vec<Vec<bool>>> {
    let code = QrCode::with_error_correction_level(text, EcLevel::M).ok()?;
    let width = code.width();
    let light = |count| std::iter::repeat_n(false, count);
    let colors = code.to_colors();
    let code_rows = colors.chunks(width).map(|row| {
        let dark = row.iter().map(|color| *color == Color::Dark);
        light(QUIET_ZONE).chain(dark).chain(light(QUIET_ZONE)).collect()
    });
    let margin = || std::iter::repeat_with(|| light(width + 2 * QUIET_ZONE).collect()).take(QUIET_ZONE);
    Some(margin().chain(code_rows).chain(margin()).collect())
}
