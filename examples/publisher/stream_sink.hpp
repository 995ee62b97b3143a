// Decides: what an epoch needs from the outside: somebody who opens it, takes its parts and ends it.
// Never: knows of keys or of the network.
// Called by: the program's loop; the library's half is library_sink, tests bring their own.
#pragma once

#include <string>

#include "publisher/media/packager.hpp"

namespace streamr::publisher {

enum class SinkAnswer : std::uint8_t {
  taken,
  new_epoch_wanted,  // the certificate's time or rate does not do any more; the part was replaced by a gap
  failed,            // reason() says why; the program cannot go on
};

class StreamSink {
 public:
  virtual ~StreamSink() = default;
  virtual SinkAnswer open_epoch(const EpochBegin& begin) = 0;
  virtual SinkAnswer push(MediaPart part) = 0;
  // Ends every track for good.
  virtual void end() = 0;
  virtual const std::string& reason() const = 0;
  // Whether nobody will ever take the stream as it is; reason() says why.
  virtual bool refused() const { return false; }
  // Readable when on_ready() has something to do; -1 where nothing ever comes.
  virtual int event_fd() const { return -1; }
  virtual void on_ready() {}
  // The certificate ends soon: the next key frame should open a new epoch.
  virtual bool renewal_due(std::uint64_t now_s) const {
    (void)now_s;
    return false;
  }
};

}  // namespace streamr::publisher
