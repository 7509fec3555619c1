//! What a server that only serves as a ceiling says to the calls that a benchmark does not make.

/// Refuses calls; `wire` is where the caller has the messages of its service. In the form that `async_trait` gives a method, because
/// it does not look into macros.
macro_rules! refuse {
    ($($call:ident: $Request:ident -> $Response:ident),+ $(,)?) => {$(
        fn $call<'life0, 'async_trait>(
            &'life0 self,
            _: tonic::Request<wire::$Request>,
        ) -> std::pin::Pin<Box<dyn Future<Output = Result<tonic::Response<wire::$Response>, tonic::Status>> + Send + 'async_trait>>
        where
            'life0: 'async_trait,
            Self: 'async_trait,
        {
            Box::pin(async { Err(tonic::Status::unimplemented("this server only serves as a ceiling")) })
        }
    )+};
}

pub(super) use refuse;
