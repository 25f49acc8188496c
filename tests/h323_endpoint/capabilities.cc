#include "h323_endpoint/capabilities.h"

#include "base/hex.h"

namespace sallyport::h323_endpoint {
namespace {

namespace h245 = codec::h245;
namespace per = codec::per;

// X.690 8.19 of {itu-t recommendation h 245 version(0) 13}, {... h 239 generic-capabilities(1)
// h239ControlCapability(1)}, {... h239ExtendedVideoCapability(2)} and {... h 224 1 0}.
const Buffer kProtocol = *from_hex("00088175000d");
const Buffer kH239Control = *from_hex("0008816f0101");
const Buffer kH239Video = *from_hex("0008816f0102");
const Buffer kH224 = *from_hex("000881600100");

constexpr std::int64_t kBitRate = 640;  // in units of 100 bit/s
constexpr std::uint8_t kPresentationRole =
    1;  // H.239 table 2, bit 0 of the role label: booleanArray

void write_h261(per::Edit<h245::VideoCapability> out) {
  using T = h245::H261VideoCapability;
  auto video = out[h245::VideoCapability::kH261VideoCapability];
  video[T::kQcifMPI].set(1);
  video[T::kCifMPI].set(1);
  video[T::kTemporalSpatialTradeOffCapability].set(0);
  video[T::kMaxBitRate].set(kBitRate);
  video[T::kStillImageTransmission].set(0);
}

void write_video(per::Edit<h245::VideoCapability> out, Kind kind) {
  if (kind == Kind::Video) return write_h261(out);
  using T = h245::ExtendedVideoCapability;
  auto extended = out[h245::VideoCapability::kExtendedVideoCapability];
  write_h261(extended[T::kVideoCapability].append());
  auto role = extended[T::kVideoCapabilityExtension].append();
  role[h245::GenericCapability::kCapabilityIdentifier][h245::CapabilityIdentifier::kStandard]
      .set_octets(kH239Video);
  auto parameter = role[h245::GenericCapability::kNonCollapsing].append();
  parameter[h245::GenericParameter::kParameterIdentifier][h245::ParameterIdentifier::kStandard].set(
      1);
  parameter[h245::GenericParameter::kParameterValue][h245::ParameterValue::kBooleanArray].set(
      kPresentationRole);
}

void write_data(per::Edit<h245::DataApplicationCapability> out, Kind kind) {
  using T = h245::DataApplicationCapability;
  auto application = out[T::kApplication];
  if (kind == Kind::Data) {
    application[T::Application::kT120][h245::DataProtocolCapability::kSeparateLANStack];
  } else if (kind == Kind::Camera) {
    application[T::Application::kGenericDataCapability]
               [h245::GenericCapability::kCapabilityIdentifier]
               [h245::CapabilityIdentifier::kStandard]
                   .set_octets(kH224);
  } else {
    using Fax = T::Application::T38fax;
    auto fax = application[T::Application::kT38fax];
    fax[Fax::kT38FaxProtocol][h245::DataProtocolCapability::kUdp];
    auto profile = fax[Fax::kT38FaxProfile];
    profile[h245::T38FaxProfile::kFillBitRemoval].set(0);
    profile[h245::T38FaxProfile::kTranscodingJBIG].set(0);
    profile[h245::T38FaxProfile::kTranscodingMMR].set(0);
    profile[h245::T38FaxProfile::kVersion].set(0);
    profile[h245::T38FaxProfile::kT38FaxRateManagement]
           [h245::T38FaxRateManagement::kTransferredTCF];
  }
  out[T::kMaxBitRate].set(kBitRate);
}

std::optional<Kind> kind_of(per::View<h245::VideoCapability> video) {
  if (video[h245::VideoCapability::kH261VideoCapability]) return Kind::Video;
  if (video[h245::VideoCapability::kExtendedVideoCapability]) return Kind::Slides;
  return {};
}

std::optional<Kind> kind_of(per::View<h245::DataApplicationCapability> data) {
  using T = h245::DataApplicationCapability::Application;
  const auto application = data[h245::DataApplicationCapability::kApplication];
  if (application[T::kT120]) return Kind::Data;
  if (application[T::kGenericDataCapability]) return Kind::Camera;
  if (application[T::kT38fax]) return Kind::Fax;
  return {};
}

std::optional<Kind> kind_of(per::View<h245::AudioCapability> audio) {
  if (audio[h245::AudioCapability::kG711Ulaw64k]) return Kind::Audio;
  return {};
}

void write_capability(per::Edit<h245::Capability> out, Kind kind) {
  switch (kind) {
    case Kind::Audio:
      out[h245::Capability::kReceiveAudioCapability][h245::AudioCapability::kG711Ulaw64k].set(20);
      return;
    case Kind::Video:
    case Kind::Slides:
      return write_video(out[h245::Capability::kReceiveVideoCapability], kind);
    default:
      return write_data(out[h245::Capability::kReceiveAndTransmitDataApplicationCapability], kind);
  }
}

void write_multipoint(per::Edit<h245::MultipointCapability> out) {
  using T = h245::MediaDistributionCapability;
  out[h245::MultipointCapability::kMulticastCapability].set(0);
  out[h245::MultipointCapability::kMultiUniCastConference].set(0);
  auto distribution = out[h245::MultipointCapability::kMediaDistributionCapability].append();
  for (const auto& field :
       {T::kCentralizedControl.kIndex, T::kDistributedControl.kIndex, T::kCentralizedAudio.kIndex,
        T::kDistributedAudio.kIndex, T::kCentralizedVideo.kIndex, T::kDistributedVideo.kIndex})
    distribution.member(field).set(0);
}

void write_multiplex(per::Edit<h245::H2250Capability> out) {
  using T = h245::H2250Capability;
  out[T::kMaximumAudioDelayJitter].set(60);
  write_multipoint(out[T::kReceiveMultipointCapability]);
  write_multipoint(out[T::kTransmitMultipointCapability]);
  write_multipoint(out[T::kReceiveAndTransmitMultipointCapability]);
  auto mc = out[T::kMcCapability];
  mc[T::McCapability::kCentralizedConferenceMC].set(0);
  mc[T::McCapability::kDecentralizedConferenceMC].set(0);
  out[T::kRtcpVideoControlCapability].set(0);
  out[T::kMediaPacketizationCapability]
     [h245::MediaPacketizationCapability::kH261aVideoPacketization]
         .set(0);
  out[T::kLogicalChannelSwitchingCapability].set(0);
  out[T::kT120DynamicPortCapability].set(1);
}

}  // namespace

void write_data_type(per::Edit<h245::DataType> out, Kind kind) {
  switch (kind) {
    case Kind::Audio:
      out[h245::DataType::kAudioData][h245::AudioCapability::kG711Ulaw64k].set(20);
      return;
    case Kind::Video:
    case Kind::Slides:
      return write_video(out[h245::DataType::kVideoData], kind);
    default:
      return write_data(out[h245::DataType::kData], kind);
  }
}

std::optional<Kind> kind_of(per::View<h245::DataType> type) {
  if (const auto audio = type[h245::DataType::kAudioData]) return kind_of(audio);
  if (const auto video = type[h245::DataType::kVideoData]) return kind_of(video);
  return kind_of(type[h245::DataType::kData]);
}

void write_capabilities(per::Edit<h245::TerminalCapabilitySet> out, const std::vector<Kind>& kinds,
                        std::uint8_t sequence_number) {
  using T = h245::TerminalCapabilitySet;
  out[T::kSequenceNumber].set(sequence_number);
  out[T::kProtocolIdentifier].set_octets(kProtocol);
  if (kinds.empty()) return;
  write_multiplex(out[T::kMultiplexCapability][h245::MultiplexCapability::kH2250Capability]);
  auto descriptor = out[T::kCapabilityDescriptors].append();
  descriptor[h245::CapabilityDescriptor::kCapabilityDescriptorNumber].set(0);
  std::int64_t number = 1;
  const auto add = [&]() {
    auto entry = out[T::kCapabilityTable].append();
    entry[h245::CapabilityTableEntry::kCapabilityTableEntryNumber].set(number);
    descriptor[h245::CapabilityDescriptor::kSimultaneousCapabilities].append().append().set(number);
    ++number;
    return entry[h245::CapabilityTableEntry::kCapability];
  };
  for (const Kind kind : kinds) {
    write_capability(add(), kind);
    if (kind == Kind::Slides) {
      add()[h245::Capability::kGenericControlCapability]
           [h245::GenericCapability::kCapabilityIdentifier][h245::CapabilityIdentifier::kStandard]
               .set_octets(kH239Control);
    }
  }
  add()[h245::Capability::kReceiveUserInputCapability][h245::UserInputCapability::kBasicString];
}

std::set<Kind> kinds_of(per::View<h245::TerminalCapabilitySet> capabilities) {
  using C = h245::Capability;
  std::set<Kind> out;
  for (const auto entry : capabilities[h245::TerminalCapabilitySet::kCapabilityTable]) {
    const auto capability = entry[h245::CapabilityTableEntry::kCapability];
    for (const auto& kind : {
             kind_of(capability[C::kReceiveAudioCapability]),
             kind_of(capability[C::kReceiveAndTransmitAudioCapability]),
             kind_of(capability[C::kReceiveVideoCapability]),
             kind_of(capability[C::kReceiveAndTransmitVideoCapability]),
             kind_of(capability[C::kReceiveDataApplicationCapability]),
             kind_of(capability[C::kReceiveAndTransmitDataApplicationCapability]),
         })
      if (kind) out.insert(*kind);
  }
  return out;
}

}  // namespace sallyport::h323_endpoint
