//! Numbers in few bytes: LEB128, and zigzag differences of what may go down as well as up.

pub(super) const CUT_OFF: &str = "cut off";

pub(super) fn put(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

pub(super) fn put_difference(out: &mut Vec<u8>, value: u64, from: u64) {
    let difference = value.wrapping_sub(from) as i64;
    put(out, ((difference << 1) ^ (difference >> 63)) as u64);
}

pub(super) fn take_byte(rest: &mut &[u8]) -> Result<u8, &'static str> {
    let (byte, behind) = rest.split_first().ok_or(CUT_OFF)?;
    *rest = behind;
    Ok(*byte)
}

pub(super) fn take(rest: &mut &[u8]) -> Result<u64, &'static str> {
    let mut value = 0_u64;
    for shift in (0..64).step_by(7) {
        let byte = take_byte(rest)?;
        value |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Ok(value);
        }
    }
    Err("a number is too long")
}

pub(super) fn take_u32(rest: &mut &[u8]) -> Result<u32, &'static str> {
    u32::try_from(take(rest)?).map_err(|_| "a number is too large")
}

pub(super) fn take_difference(rest: &mut &[u8], from: u64) -> Result<u64, &'static str> {
    let zigzag = take(rest)?;
    let difference = (zigzag >> 1) as i64 ^ -((zigzag & 1) as i64);
    Ok(from.wrapping_add(difference as u64))
}
