//! Draws a text as a QR code: as a small PNG, and with characters for a terminal.
//!
//! Both have the quiet zone that scanners need. What is drawn is as secret as the text.

use png::{BitDepth, ColorType, DeflateCompression, Encoder, Filter};
use qrcode::{
    Color, EcLevel, bits,
    canvas::{Canvas, MaskPattern},
    ec,
    render::{Renderer, unicode::Dense1x2},
};

/// Light modules around the code (ISO/IEC 18004).
const QUIET_ZONE: u32 = 4;
/// Eight, so that one byte of an image with one bit a pixel is one module; large enough for a phone held to a screen.
const PIXELS_PER_MODULE: usize = 8;

const BLACK_ON_WHITE: &str = "\u{1b}[38;5;16;48;5;231m";
const RESET: &str = "\u{1b}[0m";

/// A PNG, black on white; `None` where the text is too long for a QR code (2,331 bytes).
pub(crate) fn png(text: &str) -> Option<Vec<u8>> {
    let (colors, width) = modules(text)?;
    let quiet_zone = QUIET_ZONE as usize;
    let side = width + 2 * quiet_zone;
    let mut pixels = vec![0xff; side * side * PIXELS_PER_MODULE];
    let rows = pixels.chunks_exact_mut(side * PIXELS_PER_MODULE).skip(quiet_zone);
    for (colors, lines) in colors.chunks_exact(width).zip(rows) {
        for line in lines.chunks_exact_mut(side) {
            let modules = line.iter_mut().skip(quiet_zone).zip(colors);
            modules.for_each(|(byte, color)| *byte = color.select(0x00, 0xff));
        }
    }

    let side = u32::try_from(side * PIXELS_PER_MODULE).ok()?;
    let mut png = Vec::new();
    let mut encoder = Encoder::new(&mut png, side, side);
    encoder.set_color(ColorType::Grayscale);
    encoder.set_depth(BitDepth::One);
    // Filters are for photographs: rows of modules are a third smaller without.
    encoder.set_filter(Filter::NoFilter);
    // Half the default's time, and no larger: an agent reads the picture as base64, so its size counts, too.
    encoder.set_deflate_compression(DeflateCompression::Level(4));
    let mut writer = encoder.write_header().ok()?;
    writer.write_image_data(&pixels).ok()?;
    writer.finish().ok()?;
    Some(png)
}

/// Lines of half blocks in explicit colors, so that dark and light terminals show the same; `None` as for [`png`].
pub(crate) fn terminal(text: &str) -> Option<String> {
    let (colors, width) = modules(text)?;
    let drawing = Renderer::<Dense1x2>::new(&colors, width, QUIET_ZONE).build();
    Some(drawing.lines().map(|line| format!("{BLACK_ON_WHITE}{line}{RESET}\n")).collect())
}

/// The code's modules row by row, and how many a row has.
///
/// The mask is fixed: comparing all eight takes most of the time, and decoders read each equally well.
fn modules(text: &str) -> Option<(Vec<Color>, usize)> {
    let bits = bits::encode_auto(text.as_bytes(), EcLevel::M).ok()?;
    let version = bits.version();
    let (data, error_correction) = ec::construct_codewords(&bits.into_bytes(), version, EcLevel::M).ok()?;
    let mut canvas = Canvas::new(version, EcLevel::M);
    canvas.draw_all_functional_patterns();
    canvas.draw_data(&data, &error_correction);
    canvas.apply_mask(MaskPattern::Checkerboard);
    Some((canvas.into_colors(), usize::try_from(version.width()).ok()?))
}
