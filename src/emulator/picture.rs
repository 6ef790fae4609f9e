//! A text as a QR code in a PNG.
//!
//! Small on purpose: black and white, one bit a pixel, a few hundred bytes.

use base64::{Engine, engine::general_purpose::STANDARD};
use png::{BitDepth, ColorType, Encoder};
use qrcode::{Color, QrCode};

const PIXELS_PER_MODULE: usize = 8;
/// The standard's quiet zone: without it many cameras do not find the code.
const MARGIN_MODULES: usize = 4;

/// `data:image/png;base64,…`, or nothing when the text is too long for a QR code.
pub(super) fn qr_code_data_url(text: &str) -> Option<String> {
    let png = qr_code_png(text)?;
    Some(format!("data:image/png;base64,{}", STANDARD.encode(png)))
}

fn qr_code_png(text: &str) -> Option<Vec<u8>> {
    let code = QrCode::new(text).ok()?;
    let size = (code.width() + 2 * MARGIN_MODULES) * PIXELS_PER_MODULE;
    let side = u32::try_from(size).ok()?;

    let mut png = Vec::new();
    let mut encoder = Encoder::new(&mut png, side, side);
    encoder.set_color(ColorType::Grayscale);
    encoder.set_depth(BitDepth::One);
    let mut writer = encoder.write_header().ok()?;
    writer.write_image_data(&pixels(&code)).ok()?;
    writer.finish().ok()?;
    Some(png)
}

/// A module is eight pixels wide, so one byte of an image with one bit a pixel is one module.
fn pixels(code: &QrCode) -> Vec<u8> {
    const WHITE: u8 = 0xff;
    const BLACK: u8 = 0x00;
    let width = code.width();
    let blank = vec![WHITE; width + 2 * MARGIN_MODULES];
    let colors = code.to_colors();
    let rows = colors.chunks(width).map(|modules| {
        let mut row = blank.clone();
        for (pixels, module) in row.iter_mut().skip(MARGIN_MODULES).zip(modules) {
            *pixels = if *module == Color::Dark { BLACK } else { WHITE };
        }
        row
    });
    let margin = || std::iter::repeat_n(blank.clone(), MARGIN_MODULES);
    margin().chain(rows).chain(margin()).flat_map(|row| row.repeat(PIXELS_PER_MODULE)).collect()
}
