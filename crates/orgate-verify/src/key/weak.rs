//! Keys that are well-formed and worthless: anybody can sign for them.

use super::SkipReason;

/// Refuses an Ed25519 point of small order, or one that is not reduced, in the little-endian form of RFC 8032 §5.1.2.
pub(super) fn check_ed25519(point: [u8; 32]) -> Result<(), SkipReason> {
    // The sign bit does not matter to the order, nor to whether `y` is reduced.
    let mut y = point;
    if let Some(last) = y.last_mut() {
        *last &= 0x7f;
    }
    y.reverse();
    if SMALL_ORDER.contains(&y) {
        return Err(SkipReason::SmallOrder);
    }
    if y >= FIELD_PRIME { Err(SkipReason::BadPoint) } else { Ok(()) }
}

/// Whether a modulus, big-endian, has the mark of a generator whose keys can be factored (CVE-2017-15361): modulo each
/// small prime it is a power of 65537. Of other keys one in 2^27 has it by chance.
pub(super) fn is_of_roca(n: &[u8]) -> bool {
    SMALL_PRIMES.iter().all(|&prime| {
        let remainder = n.iter().fold(0, |rest, &byte| (rest * 256 + u32::from(byte)) % prime);
        let step = 65_537 % prime;
        let mut power = 1;
        // The powers come back to one after at most `prime` steps.
        (0..prime).any(|_| {
            power = power * step % prime;
            power == remainder
        })
    })
}

/// The odd primes that divide the generator's modulus at every size of key.
const SMALL_PRIMES: [u32; 38] = [
    3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41, 43, 47, 53, 59, 61, 67, 71, 73, 79, 83, 89, 97, 101, 103,
    107, 109, 113, 127, 131, 137, 139, 149, 151, 157, 163, 167,
];

/// 2^255 - 19, big-endian.
const FIELD_PRIME: [u8; 32] = number(0x7f, 0xff, 0xed);

/// The `y` of every point whose order divides 8, big-endian and reduced or not (RFC 7748 §5 field; the points are those
/// of order 1, 2, 4 and 8 on the curve of RFC 8032 §5.1).
pub(super) const SMALL_ORDER: [[u8; 32]; 7] = [
    number(0, 0, 0),
    number(0, 0, 1),
    number(0x7f, 0xff, 0xec),
    number(0x7f, 0xff, 0xed),
    number(0x7f, 0xff, 0xee),
    [
        0x05, 0xfc, 0x53, 0x6d, 0x88, 0x02, 0x38, 0xb1, 0x39, 0x33, 0xc6, 0xd3, 0x05, 0xac, 0xdf, 0xd5, 0xf0,
        0x98, 0xef, 0xf2, 0x89, 0xf4, 0xc3, 0x45, 0xb0, 0x27, 0xb2, 0xc2, 0x8f, 0x95, 0xe8, 0x26,
    ],
    [
        0x7a, 0x03, 0xac, 0x92, 0x77, 0xfd, 0xc7, 0x4e, 0xc6, 0xcc, 0x39, 0x2c, 0xfa, 0x53, 0x20, 0x2a, 0x0f,
        0x67, 0x10, 0x0d, 0x76, 0x0b, 0x3c, 0xba, 0x4f, 0xd8, 0x4d, 0x3d, 0x70, 0x6a, 0x17, 0xc7,
    ],
];

/// 32 bytes that are `middle` throughout but for the first and the last.
const fn number(first: u8, middle: u8, last: u8) -> [u8; 32] {
    let mut bytes = [middle; 32];
    bytes[0] = first;
    bytes[31] = last;
    bytes
}
