//! Reading the body of a signed delivery, so that the very bytes that were judged reach the service.
//!
//! A layer does not know the body type of its service, so it cannot make one of bytes in general. It can of those that
//! applications use: axum's `Body`, and `Full` and the boxed bodies of `http-body-util`. Others cannot be put together
//! again, and a delivery in one of them is refused with 500 and an error in the log; box the body before the layer.

use std::{
    any::Any,
    error::Error,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::{Bytes, BytesMut};
use http_body::Frame;
use http_body_util::{
    BodyExt, Full,
    combinators::{BoxBody, UnsyncBoxBody},
};

type BoxError = Box<dyn Error + Send + Sync>;

/// Why there are no bytes.
#[derive(Debug)]
pub(super) enum Unread<B> {
    /// There are more than may be read; the whole body.
    TooLarge(B),
    /// The client broke off.
    Broken,
    /// The body is of a type that cannot be put together again.
    OtherType,
}

/// The bytes of a body, and a body that holds them. Trailers are dropped: they are not signed.
pub(super) async fn read<B: Send + 'static>(body: B, limit: usize) -> Result<(Bytes, B), Unread<B>> {
    #[cfg(feature = "axum")]
    if is::<B, axum::body::Body>() {
        use axum::body::Body;
        return read_as::<B, Body>(body, limit, Body::from, Body::new).await;
    }
    if is::<B, Full<Bytes>>() {
        // It comes in one piece, so nothing is left.
        return read_as::<B, Full<Bytes>>(body, limit, Full::new, |begun| Full::new(begun.bytes())).await;
    }
    if is::<B, BoxBody<Bytes, BoxError>>() {
        let boxed = |bytes| Full::new(bytes).map_err(|never| match never {}).boxed();
        return read_as::<B, BoxBody<Bytes, BoxError>>(body, limit, boxed, BodyExt::boxed).await;
    }
    if is::<B, UnsyncBoxBody<Bytes, BoxError>>() {
        let boxed = |bytes| Full::new(bytes).map_err(|never| match never {}).boxed_unsync();
        return read_as::<B, UnsyncBoxBody<Bytes, BoxError>>(body, limit, boxed, BodyExt::boxed_unsync).await;
    }
    Err(Unread::OtherType)
}

fn is<B: 'static, C: 'static>() -> bool {
    std::any::TypeId::of::<B>() == std::any::TypeId::of::<C>()
}

async fn read_as<B, C>(
    body: B,
    limit: usize,
    make: impl FnOnce(Bytes) -> C,
    put_together: impl FnOnce(Begun<C>) -> C,
) -> Result<(Bytes, B), Unread<B>>
where
    B: 'static,
    C: http_body::Body<Data = Bytes> + Unpin + 'static,
{
    let mut body: C = same(body).ok_or(Unread::OtherType)?;
    // What says that it is too large is not read at all.
    if body.size_hint().lower() > u64::try_from(limit).unwrap_or(u64::MAX) {
        return Err(same(body).map_or(Unread::OtherType, Unread::TooLarge));
    }
    let mut read = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame.map_err(|_| Unread::Broken)?.into_data() else { continue };
        let fits = data.len() <= limit.saturating_sub(read.len());
        read.extend_from_slice(&data);
        if !fits {
            let whole = put_together(Begun { begun: Some(read.freeze()), rest: body });
            return Err(same(whole).map_or(Unread::OtherType, Unread::TooLarge));
        }
    }
    let bytes = read.freeze();
    let body = same(make(bytes.clone())).ok_or(Unread::OtherType)?;
    Ok((bytes, body))
}

/// A body of which a part was read.
pub(super) struct Begun<C> {
    begun: Option<Bytes>,
    rest: C,
}

impl<C> Begun<C> {
    fn bytes(self) -> Bytes {
        self.begun.unwrap_or_default()
    }
}

impl<C: http_body::Body<Data = Bytes> + Unpin> http_body::Body for Begun<C> {
    type Data = Bytes;
    type Error = C::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, C::Error>>> {
        match self.begun.take() {
            Some(begun) => Poll::Ready(Some(Ok(Frame::data(begun)))),
            None => Pin::new(&mut self.rest).poll_frame(cx),
        }
    }
}

/// `value`, where both types are one.
fn same<A: 'static, B: 'static>(value: A) -> Option<B> {
    let mut slot = Some(value);
    (&mut slot as &mut dyn Any).downcast_mut::<Option<B>>().and_then(Option::take)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_only_what_it_is() {
        assert_eq!(same::<u8, u8>(7), Some(7));
        assert_eq!(same::<u8, u16>(7), None);
    }
}
