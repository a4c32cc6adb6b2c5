# row: 83
# tries: to leave pools of processes behind, by forking and by starting programs.
# lines: 3
# timeout: 60
import concurrent.futures
import multiprocessing
forked = multiprocessing.get_context("fork").Pool(2)
say("own", forked.map(abs, [-1, -2]))
spawned = concurrent.futures.ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn"))
say("own", spawned.submit(abs, -3).result())
threads = concurrent.futures.ThreadPoolExecutor(8)
say("own", list(threads.map(abs, [-4])))
