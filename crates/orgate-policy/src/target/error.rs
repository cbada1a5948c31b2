//! Why a request target cannot be judged.

use std::fmt;

/// Why a request target is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TargetError {
    /// TRACE and CONNECT are never forwarded.
    ForbiddenMethod,
    /// A method that is not in upper case: some applications would read it as the one that is (RFC 9110 §9.1 makes
    /// them two), and it would be judged by the rule of the other.
    MethodCase,
    /// The target is not a path that starts with `/`.
    NotAPath,
    /// A byte that no path may hold.
    ForbiddenByte,
    /// A `%` without two hexadecimal digits behind it.
    InvalidEncoding,
    /// A `%XX` that hides a character with a meaning of its own, or a character that needs no encoding.
    HiddenCharacter,
    /// `//`.
    EmptySegment,
    /// `.`, `..`, or a segment that ends in a dot.
    DotSegment,
    /// A space at the end of a segment.
    SpaceAtEnd,
    /// More than 8 KiB of path or 32 segments.
    TooLong,
    /// An encoded slash where no rule allows it, or where it would be another rule's path if it were decoded.
    EncodedSlash,
    /// A host that is malformed or could be read in two ways: with a trailing dot, userinfo, escapes, a port that is
    /// none, or a number that only some take for an address.
    MalformedHost,
}

impl fmt::Display for TargetError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ForbiddenMethod => "the methods TRACE and CONNECT are not served",
            Self::MethodCase => "the method is not in upper case",
            Self::NotAPath => "the request target is not a path that starts with `/`",
            Self::ForbiddenByte => "the request target holds a byte that no path may hold",
            Self::InvalidEncoding => "a `%` in the path is not followed by two hexadecimal digits",
            Self::HiddenCharacter => "the path hides a character behind `%XX` that must not be encoded",
            Self::EmptySegment => "the path has an empty segment",
            Self::DotSegment => "the path has a segment that is or ends in a dot",
            Self::SpaceAtEnd => "a segment of the path starts or ends with a space",
            Self::TooLong => "the path is longer than 8 KiB or has more than 32 segments",
            Self::EncodedSlash => {
                "the path holds a `%2F` that its rule does not allow, or that decoded would make it another rule's"
            }
            Self::MalformedHost => "the host of the request is malformed",
        })
    }
}

impl std::error::Error for TargetError {}
