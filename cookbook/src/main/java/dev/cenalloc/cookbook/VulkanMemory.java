// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.cookbook;

import dev.cenalloc.DmaBuf;
import java.util.ArrayDeque;
import org.lwjgl.system.MemoryStack;
import org.lwjgl.system.linux.FCNTL;
import org.lwjgl.system.linux.UNISTD;
import org.lwjgl.vulkan.EXTExternalMemoryDmaBuf;
import org.lwjgl.vulkan.KHRExternalMemoryFd;
import org.lwjgl.vulkan.VK10;
import org.lwjgl.vulkan.VkBufferCreateInfo;
import org.lwjgl.vulkan.VkDevice;
import org.lwjgl.vulkan.VkExternalMemoryBufferCreateInfo;
import org.lwjgl.vulkan.VkImportMemoryFdInfoKHR;
import org.lwjgl.vulkan.VkMemoryAllocateInfo;
import org.lwjgl.vulkan.VkMemoryDedicatedAllocateInfo;
import org.lwjgl.vulkan.VkMemoryFdPropertiesKHR;
import org.lwjgl.vulkan.VkMemoryRequirements;

/**
 * A dma-buf as a storage buffer of Vulkan, by VK_EXT_external_memory_dma_buf: the same memory. The caller closes it
 * when the device has finished. It is independent of the {@link DmaBuf}, since it has a descriptor of its own.
 */
final class VulkanMemory implements AutoCloseable {
    private static final int DMA_BUF = EXTExternalMemoryDmaBuf.VK_EXTERNAL_MEMORY_HANDLE_TYPE_DMA_BUF_BIT_EXT;

    private final ArrayDeque<Runnable> undo = new ArrayDeque<>();
    private final long buffer;

    VulkanMemory(VkDevice device, DmaBuf memory) {
        boolean made = false;
        try (var stack = MemoryStack.stackPush()) {
            var result = stack.mallocLong(1);
            var external = VkExternalMemoryBufferCreateInfo.calloc(stack)
                    .sType$Default()
                    .handleTypes(DMA_BUF);
            var bufferInfo = VkBufferCreateInfo.calloc(stack)
                    .sType$Default()
                    .pNext(external)
                    .size(memory.size())
                    .usage(VK10.VK_BUFFER_USAGE_STORAGE_BUFFER_BIT)
                    .sharingMode(VK10.VK_SHARING_MODE_EXCLUSIVE);
            Vulkan.check(VK10.vkCreateBuffer(device, bufferInfo, null, result), "vkCreateBuffer");
            long created = result.get(0);
            undo.push(() -> VK10.vkDestroyBuffer(device, created, null));
            buffer = created;

            var properties = VkMemoryFdPropertiesKHR.calloc(stack).sType$Default();
            Vulkan.check(
                    KHRExternalMemoryFd.vkGetMemoryFdPropertiesKHR(device, DMA_BUF, memory.fd(), properties),
                    "vkGetMemoryFdPropertiesKHR");
            var requirements = VkMemoryRequirements.calloc(stack);
            VK10.vkGetBufferMemoryRequirements(device, buffer, requirements);
            int types = properties.memoryTypeBits() & requirements.memoryTypeBits();
            if (types == 0 || requirements.size() > memory.size()) {
                throw new IllegalStateException("Vulkan cannot take " + memory + " as a storage buffer");
            }
            // Vulkan owns the descriptor that it imports, so it gets a duplicate; if it refuses, that is still ours.
            var errno = stack.mallocInt(1);
            int fd = FCNTL.fcntli(errno, memory.fd(), FCNTL.F_DUPFD_CLOEXEC, 0);
            if (fd < 0) {
                throw new IllegalStateException("fcntl gave errno " + errno.get(0));
            }
            var dedicated =
                    VkMemoryDedicatedAllocateInfo.calloc(stack).sType$Default().buffer(buffer);
            var imported = VkImportMemoryFdInfoKHR.calloc(stack)
                    .sType$Default()
                    .pNext(dedicated.address())
                    .handleType(DMA_BUF)
                    .fd(fd);
            var allocation = VkMemoryAllocateInfo.calloc(stack)
                    .sType$Default()
                    .pNext(imported)
                    .allocationSize(memory.size())
                    .memoryTypeIndex(Integer.numberOfTrailingZeros(types));
            int status = VK10.vkAllocateMemory(device, allocation, null, result);
            if (status != VK10.VK_SUCCESS) {
                UNISTD.close(null, fd);
            }
            Vulkan.check(status, "vkAllocateMemory");
            long deviceMemory = result.get(0);
            undo.push(() -> VK10.vkFreeMemory(device, deviceMemory, null));
            Vulkan.check(VK10.vkBindBufferMemory(device, buffer, deviceMemory, 0), "vkBindBufferMemory");
            made = true;
        } finally {
            if (!made) {
                close();
            }
        }
    }

    long buffer() {
        return buffer;
    }

    @Override
    public void close() {
        while (!undo.isEmpty()) {
            undo.pop().run();
        }
    }
}
