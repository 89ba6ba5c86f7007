// The driver's interface over the emulation: streams, events and graphs.
#include "driver.h"

namespace {

using namespace emulation;

using Clock = std::chrono::steady_clock;

struct Event {
  Stream *stream = nullptr;
  u64 recorded = 0, reached = 0, resets = 0;
  Clock::time_point time;
};

} // namespace

EXPORT int cuStreamCreate(void **stream, u32) {
  return current([&] {
    Stream *made = new Stream(context);
    context->streams.push_back(made);
    return *stream = made, success;
  });
}
EXPORT int cuStreamDestroy_v2(void *stream) {
  return locked([&] {
    Stream *own = static_cast<Stream *>(stream);
    drain(*own);
    auto &all = own->context->streams;
    all.erase(std::find(all.begin(), all.end(), own));
    delete own;
    return success;
  });
}
EXPORT int cuStreamSynchronize(void *stream) {
  return current([&] {
    if (of(stream).capture) return capture_unsupported;
    return drain(of(stream));
  });
}

EXPORT int cuEventCreate(void **event, u32) {
  return current([&] { return *event = new Event, success; });
}
EXPORT int cuEventDestroy_v2(void *event) {
  return locked([&] { return delete static_cast<Event *>(event), success; });
}
EXPORT int cuEventRecord(void *handle, void *stream) {
  return current([&] {
    Event *event = static_cast<Event *>(handle);
    event->stream = &of(stream);
    event->resets = context->resets;
    u64 number = ++event->recorded;
    return enter(stream, [event, number] {
      event->reached = number;
      event->time = Clock::now();
      return success;
    });
  });
}
static Status wait_for(Event *event, u64 number) {
  if (event->stream && event->resets != event->stream->context->resets)
    return success; // what it waited for was thrown away
  if (event->reached >= number) return success;
  DeviceAccess access(event->stream->context->device);
  while (event->reached < number) {
    if (event->stream->work.empty()) return launch_failed; // waits for itself
    Work next = std::move(event->stream->work.front());
    event->stream->work.pop_front();
    Status status = next();
    if (status != success) return event->stream->context->broken = status;
  }
  return success;
}
EXPORT int cuEventSynchronize(void *handle) {
  return current([&] {
    Event *event = static_cast<Event *>(handle);
    return wait_for(event, event->recorded);
  });
}
EXPORT int cuEventElapsedTime(float *milliseconds, void *first, void *last) {
  return current([&] {
    Event *a = static_cast<Event *>(first), *b = static_cast<Event *>(last);
    if (a->reached == 0 || b->reached == 0) return not_ready;
    *milliseconds = std::chrono::duration<float, std::milli>(b->time - a->time).count();
    return success;
  });
}
EXPORT int cuStreamWaitEvent(void *stream, void *handle, u32) {
  return current([&] {
    Event *event = static_cast<Event *>(handle);
    u64 number = event->recorded;
    return enter(stream, [event, number] { return wait_for(event, number); });
  });
}

EXPORT int cuStreamBeginCapture_v2(void *stream, int) {
  return current([&] {
    if (!stream || of(stream).capture) return illegal_state;
    drain(of(stream));
    of(stream).capture = std::make_unique<Graph>();
    return context->broken;
  });
}
EXPORT int cuStreamEndCapture(void *stream, void **graph) {
  return current([&] {
    if (!of(stream).capture) return illegal_state;
    *graph = of(stream).capture.release();
    return success;
  });
}
EXPORT int cuGraphInstantiateWithFlags(void **executable, void *graph, u64) {
  return current([&] {
    return *executable = new Graph(*static_cast<Graph *>(graph)), success;
  });
}
EXPORT int cuGraphLaunch(void *executable, void *stream) {
  return current([&] {
    Graph *graph = static_cast<Graph *>(executable);
    return enter(stream, [graph] {
      for (auto &node : graph->nodes)
        if (Status status = node()) return status;
      return success;
    });
  });
}
EXPORT int cuGraphExecDestroy(void *executable) {
  return locked([&] { return delete static_cast<Graph *>(executable), success; });
}
EXPORT int cuGraphDestroy(void *graph) {
  return locked([&] { return delete static_cast<Graph *>(graph), success; });
}

