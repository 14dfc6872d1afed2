// SPDX-License-Identifier: Apache-2.0
package dev.cenalloc.cookbook;

import java.nio.IntBuffer;
import java.util.ArrayDeque;
import org.jspecify.annotations.Nullable;
import org.lwjgl.system.MemoryStack;
import org.lwjgl.vulkan.EXTExternalMemoryDmaBuf;
import org.lwjgl.vulkan.KHRExternalMemoryFd;
import org.lwjgl.vulkan.VK10;
import org.lwjgl.vulkan.VK11;
import org.lwjgl.vulkan.VkApplicationInfo;
import org.lwjgl.vulkan.VkDevice;
import org.lwjgl.vulkan.VkDeviceCreateInfo;
import org.lwjgl.vulkan.VkDeviceQueueCreateInfo;
import org.lwjgl.vulkan.VkExtensionProperties;
import org.lwjgl.vulkan.VkInstance;
import org.lwjgl.vulkan.VkInstanceCreateInfo;
import org.lwjgl.vulkan.VkPhysicalDevice;

/** The first device of Vulkan that takes dma-bufs. The caller closes it, after the memory that it has imported. */
final class Vulkan implements AutoCloseable {
    private final ArrayDeque<Runnable> undo = new ArrayDeque<>();
    private final VkDevice device;

    Vulkan() {
        boolean made = false;
        try (var stack = MemoryStack.stackPush()) {
            var result = stack.mallocPointer(1);
            var application = VkApplicationInfo.calloc(stack).sType$Default().apiVersion(VK11.VK_API_VERSION_1_1);
            var instanceInfo =
                    VkInstanceCreateInfo.calloc(stack).sType$Default().pApplicationInfo(application);
            check(VK10.vkCreateInstance(instanceInfo, null, result), "vkCreateInstance");
            var instance = new VkInstance(result.get(0), instanceInfo);
            undo.push(() -> VK10.vkDestroyInstance(instance, null));

            // Of the first family, which computes with Mesa. Another driver's are listed, with VK_QUEUE_COMPUTE_BIT, by
            // vkGetPhysicalDeviceQueueFamilyProperties.
            var queues = VkDeviceQueueCreateInfo.calloc(1, stack)
                    .sType$Default()
                    .queueFamilyIndex(0)
                    .pQueuePriorities(stack.floats(1));
            var deviceInfo = VkDeviceCreateInfo.calloc(stack)
                    .sType$Default()
                    .pQueueCreateInfos(queues)
                    .ppEnabledExtensionNames(stack.pointers(
                            stack.UTF8(KHRExternalMemoryFd.VK_KHR_EXTERNAL_MEMORY_FD_EXTENSION_NAME),
                            stack.UTF8(EXTExternalMemoryDmaBuf.VK_EXT_EXTERNAL_MEMORY_DMA_BUF_EXTENSION_NAME)));
            var physical = physicalDevice(instance, stack);
            check(VK10.vkCreateDevice(physical, deviceInfo, null, result), "vkCreateDevice");
            var opened = new VkDevice(result.get(0), physical, deviceInfo);
            undo.push(() -> VK10.vkDestroyDevice(opened, null));
            device = opened;
            made = true;
        } finally {
            if (!made) {
                close();
            }
        }
    }

    VkDevice device() {
        return device;
    }

    private static VkPhysicalDevice physicalDevice(VkInstance instance, MemoryStack stack) {
        var count = stack.mallocInt(1);
        check(VK10.vkEnumeratePhysicalDevices(instance, count, null), "vkEnumeratePhysicalDevices");
        var found = stack.mallocPointer(count.get(0));
        check(VK10.vkEnumeratePhysicalDevices(instance, count, found), "vkEnumeratePhysicalDevices");
        for (int i = 0; i < count.get(0); i++) {
            var one = new VkPhysicalDevice(found.get(i), instance);
            if (takesDmaBufs(one)) {
                return one;
            }
        }
        throw new IllegalStateException("none of " + found.capacity() + " Vulkan devices has "
                + EXTExternalMemoryDmaBuf.VK_EXT_EXTERNAL_MEMORY_DMA_BUF_EXTENSION_NAME);
    }

    private static boolean takesDmaBufs(VkPhysicalDevice physical) {
        try (var stack = MemoryStack.stackPush()) {
            var count = stack.mallocInt(1);
            check(enumerate(physical, count, null), "vkEnumerateDeviceExtensionProperties");
            try (var extensions = VkExtensionProperties.malloc(count.get(0))) {
                check(enumerate(physical, count, extensions), "vkEnumerateDeviceExtensionProperties");
                return extensions.stream()
                        .anyMatch(one -> one.extensionNameString()
                                .equals(EXTExternalMemoryDmaBuf.VK_EXT_EXTERNAL_MEMORY_DMA_BUF_EXTENSION_NAME));
            }
        }
    }

    private static int enumerate(
            VkPhysicalDevice physical, IntBuffer count, VkExtensionProperties.@Nullable Buffer extensions) {
        return VK10.vkEnumerateDeviceExtensionProperties(physical, (CharSequence) null, count, extensions);
    }

    static void check(int result, String call) {
        if (result != VK10.VK_SUCCESS) {
            throw new IllegalStateException(call + " gave " + result);
        }
    }

    @Override
    public void close() {
        while (!undo.isEmpty()) {
            undo.pop().run();
        }
    }
}
