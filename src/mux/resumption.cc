#include "mux/resumption.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <cassert>

namespace sallyport::mux {

ResumeProof resume_proof(const ResumeSecret& secret, const ExporterKey& exporter,
                         const Hello& hello) {
  Buffer record;
  encode(hello, record);
  const std::size_t before_proof = kRecordHeaderSize + kHelloSize - ResumeProof{}.size();
  Buffer signed_octets = to_buffer("sallyport resume 1");
  Writer{signed_octets}.bytes(exporter).bytes(
      Bytes{record}.first(before_proof).subspan(kRecordHeaderSize));
  ResumeProof proof{};
  unsigned length = 0;
  const auto* done = HMAC(EVP_sha256(), secret.data(), static_cast<int>(secret.size()),
                          signed_octets.data(), signed_octets.size(), proof.data(), &length);
  assert(done != nullptr && length == proof.size());
  static_cast<void>(done);
  return proof;
}

Hello Resumption::hello(const InstanceId& instance, const ExporterKey& exporter,
                        std::uint64_t received, WayKind way) {
  Hello hello{.way = way,
              .instance = instance,
              .session = session_,
              .connection = ++connection_,
              .received = received};
  if (secret_) hello.proof = resume_proof(*secret_, exporter, hello);
  return hello;
}

void Resumption::accepted(const HelloAccept& accept) {
  session_ = accept.session;
  secret_ = accept.secret;
}

bool Resumption::proves(const std::optional<ResumeSecret>& secret, const Hello& hello,
                        const ExporterKey& exporter) const {
  if (!secret) return false;
  const ResumeProof expected = resume_proof(*secret, exporter, hello);
  return CRYPTO_memcmp(expected.data(), hello.proof.data(), expected.size()) == 0;
}

std::optional<RefusalCode> Resumption::judge(const Hello& hello,
                                             const ExporterKey& exporter) const {
  if (hello.session != session_) return RefusalCode::NoSuchSession;
  // The proof comes first: a stranger learns nothing about the numbers.
  if (!proves(secret_, hello, exporter) && !proves(issued_, hello, exporter))
    return RefusalCode::BadProof;
  if (hello.connection <= connection_) return RefusalCode::StaleConnection;
  return std::nullopt;
}

void Resumption::accept(const Hello& hello, const ExporterKey& exporter, Random& random,
                        HelloAccept& answer) {
  if (session_ == SessionId{}) {
    session_ = random.array<16>();
  } else if (proves(issued_, hello, exporter)) {
    confirmed();
  }
  connection_ = hello.connection;
  issued_ = random.array<32>();
  answer.session = session_;
  answer.secret = *issued_;
}

void Resumption::confirmed() {
  if (!issued_) return;
  secret_ = issued_;
  issued_.reset();
}

}  // namespace sallyport::mux
