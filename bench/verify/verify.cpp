// What checking costs: slices through leaf_hash beside bare SHA-256 of the same octets, and chunk headers beside a bare
// Ed25519 verification. The target is 95 % of the bare hash rate on slices of 16 KiB.
#include <benchmark/benchmark.h>
#include <openssl/evp.h>
#include <sodium.h>

#include "proto/frames.hpp"

using namespace streamr;
using namespace streamr::proto;

namespace {

crypto::KeyPair key_of(std::uint8_t octet) {
  std::array<std::uint8_t, 32> seed;
  seed.fill(octet);
  return crypto::KeyPair::from_seed(seed);
}

ByteVector payload_of(std::size_t size) {
  ByteVector out(size);
  for (std::size_t i = 0; i < size; ++i) out[i] = static_cast<std::uint8_t>(i * 7 + (i >> 8));
  return out;
}

Certificate certificate() {
  Certificate fields;
  fields.session_key = key_of(2).public_key();
  fields.not_before_s = 1'760'000'000;
  fields.not_after_s = fields.not_before_s + 3600;
  fields.track_mask = 1;
  return issue_certificate(fields, key_of(1));
}

Chunk chunk(std::size_t payload_bytes) {
  Chunk out;
  ChunkHeader fields;
  fields.stream_id = key_of(1).public_key();
  fields.capture_time_us = s_to_us(1'760'000'060);
  out.header = issue_chunk_header(fields, payload_of(payload_bytes), certificate(), key_of(2), out.leaves);
  return out;
}

void count_bytes(benchmark::State& state, std::size_t bytes) {
  state.SetBytesProcessed(static_cast<std::int64_t>(state.iterations()) * static_cast<std::int64_t>(bytes));
}

void slice_bare_sha256(benchmark::State& state) {
  const ByteVector slice = payload_of(static_cast<std::size_t>(state.range(0)));
  EVP_MD* digest = EVP_MD_fetch(nullptr, "SHA256", nullptr);
  EVP_MD_CTX* context = EVP_MD_CTX_new();
  std::uint8_t out[32];
  EVP_DigestInit_ex2(context, digest, nullptr);
  for (auto _ : state) {
    EVP_DigestUpdate(context, slice.data(), slice.size());
    EVP_DigestFinal_ex(context, out, nullptr);
    EVP_DigestInit_ex2(context, nullptr, nullptr);
    benchmark::DoNotOptimize(out);
  }
  EVP_MD_CTX_free(context);
  EVP_MD_free(digest);
  count_bytes(state, slice.size());
}

void slice_leaf_hash(benchmark::State& state) {
  const ByteVector slice = payload_of(static_cast<std::size_t>(state.range(0)));
  crypto::Hasher hasher;
  for (auto _ : state) benchmark::DoNotOptimize(crypto::leaf_hash(hasher, slice));
  count_bytes(state, slice.size());
}

void header_bare_ed25519(benchmark::State& state) {
  const crypto::KeyPair pair = key_of(2);
  const ByteVector message = payload_of(177);
  const Signature signature = pair.sign("", ByteView(message).subspan(1));
  for (auto _ : state) {
    benchmark::DoNotOptimize(
        crypto_sign_verify_detached(signature.data(), message.data(), message.size(), pair.public_key().data()));
  }
}

void header_verify(benchmark::State& state) {
  const ChunkHeader header = chunk(40'000).header;
  const Certificate held = certificate();
  for (auto _ : state) benchmark::DoNotOptimize(verify_chunk_header(header, held).ok());
}

// A part of 150 KiB, about half a second at 2.5 Mbit/s: frame, header, leaves to root, then each slice.
void part_from_wire(benchmark::State& state) {
  constexpr std::size_t part_bytes = 150 * 1024;
  const Chunk made = chunk(part_bytes);
  const ByteVector frame = encode(made, 1);
  const ByteVector payload = payload_of(part_bytes);
  const Certificate held = certificate();
  crypto::Hasher hasher;
  for (auto _ : state) {
    FrameReader reader(frame);
    const auto raw = reader.next();
    const auto decoded = decode_frame(**raw);
    const Chunk& got = std::get<Chunk>(decoded->body);
    bool sound = verify_chunk_header(got.header, held).ok();
    sound = sound && crypto::merkle_root(hasher, got.leaves) == got.header.merkle_root;
    std::size_t at = 0;
    for (std::uint16_t i = 0; i < got.header.slice_count; ++i) {
      const std::size_t bytes = got.header.slice_bytes(i);
      sound = sound && crypto::leaf_hash(hasher, ByteView(payload).subspan(at, bytes)) == got.leaves[i];
      at += bytes;
    }
    if (!sound) state.SkipWithError("the part did not verify");
  }
  count_bytes(state, part_bytes);
}

BENCHMARK(slice_bare_sha256)->Arg(16 * 1024)->Arg(4 * 1024);
BENCHMARK(slice_leaf_hash)->Arg(16 * 1024)->Arg(4 * 1024);
BENCHMARK(header_bare_ed25519);
BENCHMARK(header_verify);
BENCHMARK(part_from_wire);

}  // namespace

BENCHMARK_MAIN();
